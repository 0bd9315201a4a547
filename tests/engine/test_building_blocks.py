"""Everything that a small library for deep learning is expected to have is in the catalog."""

import pytest

from engine.catalog import catalog

EXPECTED = {
    "layers": """
        dense conv1d conv2d transposed_conv2d max_pool1d max_pool2d average_pool1d average_pool2d global_max_pool
        global_average_pool flatten reshape zero_padding1d zero_padding2d upsampling1d upsampling2d
        batch_normalization layer_normalization group_normalization rms_normalization
        local_response_normalization dropout spatial_dropout gaussian_noise embedding
        simple_rnn lstm gru bidirectional multi_head_attention positional_encoding transformer_encoder
        maxout scaling pbld plr piecewise_linear_embedding batch_ensemble_dense member_dense
        sequential residual parallel glu reglu geglu swiglu
        random_flip random_crop random_shift random_rotation pca_color cutout
    """,
    "activations": """
        identity step sigmoid tanh relu leaky_relu elu selu gelu silu softplus softmax
        mish relu6 hard_sigmoid hard_swish prelu log_softmax softsign parametric_activation
    """,
    "losses": """
        mse mae huber cross_entropy log_loss hinge squared_hinge perceptron focal kl_divergence poisson gamma
        tweedie quantile log_cosh cosine
    """,
    "optimizers": """
        sgd adam adamw adagrad rmsprop adadelta adamax nadam amsgrad radam lion lamb rprop lbfgs perceptron_rule
    """,
    "schedules": """
        constant step exponential cosine warmup one_cycle polynomial cosine_restarts coslog4 flat_cos
        reduce_on_plateau
    """,
    "templates": """
        perceptron logistic_regression mlp autoencoder lenet5 alexnet vgg resnet_small lstm gru transformer_small
        neocognitron dbn realmlp tabm
    """,
    "pretraining": "rbm autoencoder",
}


@pytest.mark.parametrize("group", EXPECTED)
def test_is_there(group: str) -> None:
    assert set(EXPECTED[group].split()) <= {entry.kind for entry in getattr(catalog(), group)}
