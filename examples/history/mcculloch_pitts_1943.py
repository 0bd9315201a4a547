"""McCulloch and Pitts 1943: which functions of truth values can a single threshold unit compute?

A unit fires where a weighted sum of its inputs is above a threshold: y = [w x + b > 0]. Of the 16 Boolean
functions of two inputs it reaches 14, all but XOR and its opposite; of the 256 of three inputs, 104.

Every function is one output of one dense layer, and one job trains all of them by the perceptron rule,
which finds the weights of a function wherever there are any (Novikoff 1962).

    W. McCulloch, W. Pitts, A logical calculus of the ideas immanent in nervous activity, 1943
    S. Muroga, Threshold logic and its applications, 1971: the counts
"""

from itertools import product

from client import Backpropd, connect, expect

Row = dict[str, int]

THRESHOLD_UNITS = {"layers": [{"kind": "dense", "weight_initializer": {"kind": "zeros"}}]}
PERCEPTRON_RULE = {
    "epochs": 200,
    "batch_size": 1,
    "loss": {"kind": "perceptron"},
    "optimizer": {"kind": "perceptron_rule"},
    "validation": {"kind": "none"},
}
ROWS_AT_LEAST = 10  # what a job takes


def main() -> None:
    """Count the functions of two and of three inputs that are reached."""
    with connect(__doc__) as service:
        two, three = reached(service, inputs=2), reached(service, inputs=3)
        missing = sorted(set(range(16)) - set(two))
        print(f"two inputs: {len(two)} of 16; not {', '.join(f'{number:04b}' for number in missing)}")
        print(f"three inputs: {len(three)} of 256")
        expect(
            missing == [0b0110, 0b1001], "XOR and its opposite are the two that no threshold unit computes"
        )
        expect(len(three) == 104, "104 functions of three inputs are threshold functions")


def reached(service: Backpropd, inputs: int) -> list[int]:
    """The numbers of the functions that units learn without a mistake; bit r of a number is its value in row r."""
    table = [{f"x{i}": value for i, value in enumerate(values)} for values in product((0, 1), repeat=inputs)]
    functions = range(2 ** len(table))
    copies = -(-ROWS_AT_LEAST // len(table))
    columns = {name: [row[name] for row in table] * copies for name in table[0]}
    columns |= {f"f{n}": [n >> r & 1 for r in range(len(table))] * copies for n in functions}
    model = service.train(
        service.upload(f"functions of {inputs}", columns),
        [f"f{n}" for n in functions],
        task="multilabel",
        scaling="none",
        network=THRESHOLD_UNITS,
        training=PERCEPTRON_RULE,
    )
    fires = [set(prediction["labels"]) for prediction in service.predict(model, table)]
    return [n for n in functions if all((f"f{n}" in fires[r]) == (n >> r & 1) for r in range(len(table)))]


if __name__ == "__main__":
    main()
