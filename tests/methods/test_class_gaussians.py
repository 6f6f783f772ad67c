"""The Gaussians of the classes, by value."""

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from mmosr.methods.class_gaussians import ClassGaussians, gaussian_kl

J = 2


class TestGaussians:
    def test_kl_of_torch(self):
        generator = torch.Generator().manual_seed(3)
        mean, log_variance, prior = torch.randn(3, 6, 5, generator=generator, dtype=torch.float64)
        expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(prior, 1.0)).sum(
            1
        )
        torch.testing.assert_close(gaussian_kl(mean, log_variance, prior), expected)

    def test_kl_near_the_prior(self):
        values = torch.tensor([[0.0], [1e-3], [-1e-3]])
        found = gaussian_kl(torch.zeros(3, 1), values, torch.zeros(3, 1))
        expected = (values.double().exp() - 1 - values.double())[:, 0] / 2
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=2e-3)
        assert found[0] == 0

    def test_kl_gradient(self):
        inputs = [torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
        assert torch.autograd.gradcheck(gaussian_kl, inputs)

    def test_mean_over_the_batch_to_the_own_class(self):
        torch.manual_seed(0)
        module = ClassGaussians(6, J, 3)
        labels = torch.tensor([2, 0, 2, 1])
        mean, log_variance = torch.randn(4, J), torch.randn(4, J)
        weight, bias = module.class_mean.weight, module.class_mean.bias
        prior = torch.stack([weight[:, label] + bias for label in labels])
        expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(prior, 1.0))
        torch.testing.assert_close(module.kl(mean, log_variance, labels), expected.sum(1).mean())

    def test_minimum_puts_the_means_on_their_classes(self):
        torch.manual_seed(0)
        module = ClassGaussians(6, J, 3)
        labels = torch.arange(60) % 3
        mean = torch.randn(60, J)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
        features = torch.zeros(60, 6)
        for _ in range(400):
            optimizer.zero_grad()
            module.kl(mean, module.sample(features, mean)[1], labels).backward()
            optimizer.step()
        found = module.class_mean(torch.eye(3)).detach()
        expected = torch.stack([mean[labels == label].mean(0) for label in range(3)])
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
        log_variance = module.sample(features, mean)[1]
        torch.testing.assert_close(log_variance, torch.zeros(60, J), atol=1e-3, rtol=0)

    def test_draws_have_the_mean_and_variance(self):
        torch.manual_seed(0)
        module = ClassGaussians(6, J, 3)
        features, mean = torch.randn(1, 6), torch.tensor([[3.0, -2.0]])
        drawn, log_variance = module.sample(features.expand(40000, 6), mean.expand(40000, J))
        torch.testing.assert_close(log_variance[0], module.log_variance(features)[0])
        deviation = (0.5 * log_variance[0]).exp()
        torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.03, rtol=0)
        torch.testing.assert_close(drawn.std(0), deviation, atol=0.03, rtol=0)

    def test_draws_carry_the_gradient(self):
        module = ClassGaussians(6, J, 3)
        mean = torch.zeros(2, J, requires_grad=True)
        drawn, log_variance = module.sample(torch.ones(2, 6), mean)
        drawn.sum().backward()
        assert (mean.grad == 1).all()
        expected = 0.5 * (drawn - mean).sum(0)  # d/dv of exp(v / 2) eps, over both rows
        torch.testing.assert_close(module.log_variance.bias.grad, expected.detach())
