"""AlexNet's change of colours: what it adds, and components fitted to images."""

import numpy as np
import pytest
from drawn_layer import seeded
from one_layer import network_of
from pydantic import ValidationError
from sklearn.decomposition import PCA

from engine.layers.augmentation.pca_color import PcaColorSpec
from engine.spec import InvalidSpec

SHAPE = (4, 5, 3)


def added(spec: PcaColorSpec, seed: int = 0) -> np.ndarray:
    """What is added to each of 2,000 images (images, *SHAPE)."""
    layer = seeded(spec, SHAPE, seed)
    zeros = np.zeros((500, *SHAPE))
    return np.concatenate([layer.forward(zeros, train=True).copy() for _ in range(4)])


def test_the_same_colour_is_added_to_every_pixel() -> None:
    colors = added(PcaColorSpec())
    assert (colors == colors[:, :1, :1]).all()
    x = np.random.default_rng(1).random((500, *SHAPE))
    y = seeded(PcaColorSpec(), SHAPE).forward(x, train=True)
    np.testing.assert_allclose(y - x, colors[:500], atol=1e-15)


def test_colours_have_the_covariance_of_the_formula() -> None:
    """cov = sum_k (sigma lambda_k)^2 p_k p_k^T; a variance over n draws is off by sqrt(2/n) of itself."""
    spec = PcaColorSpec(
        std=0.5, eigenvalues=(3, 2, 1), eigenvectors=((0.6, 0.8, 0), (-0.8, 0.6, 0), (0, 0, 1))
    )
    colors = added(spec)[:, 0, 0]
    vectors = np.array(spec.eigenvectors)
    expected = vectors.T @ np.diag((0.5 * np.array(spec.eigenvalues)) ** 2) @ vectors
    allowed = 5 * np.sqrt(2 / len(colors)) * expected.max()
    np.testing.assert_allclose(colors.T @ colors / len(colors), expected, atol=allowed)
    np.testing.assert_allclose(colors.mean(axis=0), 0, atol=5 * np.sqrt(expected.max() / len(colors)))


def test_fitted_components_are_those_of_the_images() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((50, *SHAPE)) @ rng.standard_normal((3, 3)) + 5
    network = network_of(PcaColorSpec(fit=True), in_shape=SHAPE, x=x)
    components = network.state.reshape(3, 3)
    pixels = x.reshape(-1, 3)
    pca = PCA().fit(pixels)
    variances = pca.explained_variance_[::-1] * (len(pixels) - 1) / len(pixels)
    expected = variances[:, None] * pca.components_[::-1]
    signs = np.sign(np.sum(components * expected, axis=1, keepdims=True))
    np.testing.assert_allclose(components * signs, expected, rtol=1e-9, atol=1e-9)


def test_without_images_the_given_components_are_taken() -> None:
    spec = PcaColorSpec(fit=True)
    network = network_of(spec, in_shape=SHAPE)
    expected = np.array(spec.eigenvalues)[:, None] * np.array(spec.eigenvectors)
    np.testing.assert_array_equal(network.state.reshape(3, 3), expected)


def test_images_of_one_colour_stay_as_they_are() -> None:
    x = np.full((8, *SHAPE), 0.25)
    network = network_of(PcaColorSpec(fit=True), in_shape=SHAPE, x=x)
    np.testing.assert_allclose(network.forward(x, train=True), x, atol=1e-12)


def test_the_components_of_imagenet_are_orthogonal() -> None:
    vectors = np.array(PcaColorSpec().eigenvectors)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-3)


@pytest.mark.parametrize("shape", [(4, 5, 1), (4, 5), (4, 5, 4)])
def test_three_channels_are_asked_for(shape) -> None:
    with pytest.raises(InvalidSpec, match="takes images"):
        PcaColorSpec().build(shape)


@pytest.mark.parametrize("fields", [{"std": -1}, {"eigenvalues": (-1, 0, 0)}, {"eigenvectors": ((1, 0, 0),)}])
def test_bounds(fields) -> None:
    with pytest.raises(ValidationError):
        PcaColorSpec(**fields)
