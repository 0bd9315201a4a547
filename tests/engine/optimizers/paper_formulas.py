"""Every optimizer's recursion in naive expressions, as its paper has it.

update(p, g, eta, t, memory) -> p of the next step; t counts from 1, memory is a dictionary that starts empty.
"""

import math
from collections.abc import Callable

import numpy as np

Update = Callable[[np.ndarray, np.ndarray, float, int, dict], np.ndarray]


def decaying(update: Update, share: float) -> Update:
    """Loshchilov and Hutter 2019: decay apart from the gradient."""
    return lambda p, g, eta, t, memory: update(p, g, eta, t, memory) - eta * share * p


def sgd(p, g, eta, t, memory):
    """Robbins and Monro 1951."""
    return p - eta * g


def momentum(p, g, eta, t, memory):
    """Sutskever et al. 2013, eq. 1-2, learning rate outside of the velocity."""
    v = memory["v"] = 0.9 * memory.get("v", 0) + g
    return p - eta * v


def nesterov(p, g, eta, t, memory):
    """Sutskever et al. 2013, eq. 3-4, in PyTorch's form."""
    v = memory["v"] = 0.9 * memory.get("v", 0) + g
    return p - eta * (g + 0.9 * v)


def moments(g, t, memory, beta1, beta2):
    """m, v and both without bias."""
    m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    v = memory["v"] = beta2 * memory.get("v", 0) + (1 - beta2) * g**2
    return m, v, m / (1 - beta1**t), v / (1 - beta2**t)


def adam(beta1=0.9, beta2=0.999, epsilon=1e-8) -> Update:
    """Kingma and Ba 2015, algorithm 1."""

    def update(p, g, eta, t, memory):
        _, _, m_hat, v_hat = moments(g, t, memory, beta1, beta2)
        return p - eta * m_hat / (np.sqrt(v_hat) + epsilon)

    return update


def amsgrad(beta1=0.9, beta2=0.999, epsilon=1e-8) -> Update:
    """Reddi et al. 2018, algorithm 2, with the corrections of Adam."""

    def update(p, g, eta, t, memory):
        _, v, m_hat, _ = moments(g, t, memory, beta1, beta2)
        largest = memory["largest"] = np.maximum(memory.get("largest", 0), v)
        return p - eta * m_hat / (np.sqrt(largest / (1 - beta2**t)) + epsilon)

    return update


def adamax(beta1=0.9, beta2=0.999, epsilon=1e-8) -> Update:
    """Kingma and Ba 2015, algorithm 2."""

    def update(p, g, eta, t, memory):
        m = memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
        u = memory["u"] = np.maximum(beta2 * memory.get("u", 0), np.abs(g) + epsilon)
        return p - eta / (1 - beta1**t) * m / u

    return update


def nadam(beta1=0.9, beta2=0.999, epsilon=1e-8, psi=0.004) -> Update:
    """Dozat 2016, algorithm 2, with m by beta1."""

    def update(p, g, eta, t, memory):
        m, _, _, v_hat = moments(g, t, memory, beta1, beta2)
        mu = [beta1 * (1 - 0.5 * 0.96 ** (i * psi)) for i in range(1, t + 2)]
        ahead = mu[-1] * m / (1 - math.prod(mu)) + (1 - mu[-2]) * g / (1 - math.prod(mu[:-1]))
        return p - eta * ahead / (np.sqrt(v_hat) + epsilon)

    return update


def radam(beta1=0.9, beta2=0.999, epsilon=1e-8) -> Update:
    """Liu et al. 2020, algorithm 2."""

    def update(p, g, eta, t, memory):
        _, v, m_hat, _ = moments(g, t, memory, beta1, beta2)
        rho_max = 2 / (1 - beta2) - 1
        rho = rho_max - 2 * t * beta2**t / (1 - beta2**t)
        if rho <= 4:
            return p - eta * m_hat
        scale = np.sqrt(1 - beta2**t) / (np.sqrt(v) + epsilon)
        r = math.sqrt((rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho))
        return p - eta * r * m_hat * scale

    return update


def adagrad(p, g, eta, t, memory):
    """Duchi et al. 2011, figure 1, diagonal."""
    total = memory["total"] = memory.get("total", 0) + g**2
    return p - eta * g / (np.sqrt(total) + 1e-10)


def rmsprop(rho=0.9, epsilon=1e-8, mu=0.0, centered=False) -> Update:
    """Tieleman and Hinton 2012; Graves 2013, eq. 38-41."""

    def update(p, g, eta, t, memory):
        v = memory["v"] = rho * memory.get("v", 0) + (1 - rho) * g**2
        if centered:
            mean = memory["mean"] = rho * memory.get("mean", 0) + (1 - rho) * g
            v = v - mean**2
        b = memory["b"] = mu * memory.get("b", 0) + g / (np.sqrt(v) + epsilon)
        return p - eta * b

    return update


def adadelta(rho=0.95, epsilon=1e-6) -> Update:
    """Zeiler 2012, algorithm 1."""

    def update(p, g, eta, t, memory):
        v = memory["v"] = rho * memory.get("v", 0) + (1 - rho) * g**2
        step = np.sqrt(memory.get("u", 0) + epsilon) / np.sqrt(v + epsilon) * g
        memory["u"] = rho * memory.get("u", 0) + (1 - rho) * step**2
        return p - eta * step

    return update


def lion(beta1=0.9, beta2=0.99) -> Update:
    """Chen et al. 2023, algorithm 2."""

    def update(p, g, eta, t, memory):
        m = memory.get("m", 0)
        memory["m"] = beta2 * m + (1 - beta2) * g
        return p - eta * np.sign(beta1 * m + (1 - beta1) * g)

    return update


def lamb(share: float, epsilon=1e-6) -> Update:
    """You et al. 2020, algorithm 2."""

    def update(p, g, eta, t, memory):
        _, _, m_hat, v_hat = moments(g, t, memory, 0.9, 0.999)
        u = m_hat / (np.sqrt(v_hat) + epsilon) + share * p
        return p - eta * np.linalg.norm(p) / np.linalg.norm(u) * u

    return update


def rprop(first=0.01, increase=1.2, decrease=0.5, smallest=1e-6, largest=50.0) -> Update:
    """Igel and Hüsken 2000, figure 4 (iRprop-), parameter by parameter; the schedule scales all steps."""

    def update(p, g, eta, t, memory):
        p = p.copy()
        size = memory.setdefault("size", np.full(len(p), first))
        last = memory.setdefault("last", np.zeros(len(p)))
        for i, slope in enumerate(g):
            if last[i] * slope > 0:
                size[i] = min(size[i] * increase, largest)
            elif last[i] * slope < 0:
                size[i] = max(size[i] * decrease, smallest)
                slope = 0.0  # noqa: PLW2901 - the paper's own words: "set the derivative to 0"
            p[i] -= eta / first * size[i] * np.sign(slope)
            last[i] = slope
        return p

    return update
