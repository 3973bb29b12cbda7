"""One training iteration against the official numbers, against a plain autograd ascent, and its parts on known values."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from glass_core.network.model import Adaptor, Discriminator
from glass_core.paper.plain_training import plain_losses
from glass_core.training.ascent import _climb
from glass_core.training.gas import Method, focal_loss, glass_loss, hard_weights
from tests.plain_iteration import KEPT, METHODS, plain, told
from tests.plain_iteration import heads as uneven_heads
from tests.plain_iteration import rows as uneven_rows
from tests.shared_data import shared

GOLDENS = ["manifold", "manifold_inside", "hypersphere", "hypersphere_far", "gaussian_only"]


def heads(dim: int, hidden: int, seed: int = 0) -> nn.ModuleDict:
    """Adaptor and discriminator in float64 under the official names."""
    torch.manual_seed(seed)
    modules = nn.ModuleDict({"pre_projection": Adaptor(dim), "discriminator": Discriminator(dim, hidden)})
    return modules.double().train()


def loss_of(modules: nn.ModuleDict, *args: Tensor | Method) -> tuple[Tensor, dict[str, Tensor]]:
    return glass_loss(modules["pre_projection"], modules["discriminator"], *args)  # type: ignore[arg-type]


def plain_of(modules: nn.ModuleDict, *args: Tensor | Method) -> tuple[Tensor, Tensor, Tensor]:
    return plain_losses(modules["pre_projection"], modules["discriminator"], *args)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", GOLDENS)
def test_golden_iterations(name: str) -> None:
    golden = {key: torch.from_numpy(value) for key, value in load(shared(f"goldens/iteration_{name}.npz")).items()}
    dim, hidden = golden["t"].shape[1], golden["before.discriminator.tail.0.weight"].shape[1]
    modules = heads(dim, hidden)
    modules.load_state_dict({key[7:]: value.clone() for key, value in golden.items() if key.startswith("before.")})
    optimisers = [
        torch.optim.Adam(modules["pre_projection"].parameters(), lr=1e-4, weight_decay=1e-5),
        torch.optim.AdamW(modules["discriminator"].parameters(), lr=2e-4),
    ]
    method = Method(hypersphere=bool(golden["svd"]), mining=bool(golden["mining"]))
    mask, centre = golden["mask"].reshape(-1, 1), golden["centre"].repeat(2, 1)
    for iteration in range(3):
        modules.zero_grad()
        loss, log = loss_of(modules, golden["t"], golden["f"], mask, golden["noise"][iteration], method, centre)
        loss.backward()
        if iteration == 0:
            for key, parameter in modules.named_parameters():
                assert parameter.grad is not None
                close(parameter.grad, golden[f"grad.{key}"], key)
            for key in ("p_true", "p_fake", "r_t", "r_g", "r_f"):
                close(log[key], golden[f"log.{key}"], key)
            close(log["loss"], golden["log.loss"], "loss", 1e-7)
        for optimiser in optimisers:
            optimiser.step()
        for prefix in {0: ["after"], 2: ["after3"]}.get(iteration, []):
            for key, value in modules.state_dict().items():
                close(value, golden[f"{prefix}.{key}"], key)


@pytest.mark.parametrize("name", METHODS)
def test_both_forms_give_the_numbers_that_were_kept(name: str) -> None:
    adaptor, discriminator = uneven_heads()
    total, log = glass_loss(adaptor, discriminator, *uneven_rows()[:4], METHODS[name], uneven_rows()[4])
    losses = log["loss_normal"], log["loss_gas"], log["loss_las"]
    for found in (plain(name), told(losses, total, adaptor, discriminator)):
        assert found.keys() == KEPT[name].keys()
        for what, numbers in KEPT[name].items():
            assert found[what] == pytest.approx(numbers, abs=1e-9), what


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def close(got: Tensor, wanted: Tensor, what: str, tolerance: float = 1e-9) -> None:
    assert torch.allclose(got.double(), wanted.double(), rtol=0, atol=tolerance), what


@pytest.mark.parametrize("hypersphere", [False, True])
@pytest.mark.parametrize("noise_std", [0.05, 0.11, 0.4])  # below, within and above the manifold's [0.5, 1]
@pytest.mark.parametrize("switches", [{}, {"projection": False}, {"mining": False}], ids=["all", "no TP", "no GA"])
def test_hidden_space_ascent_equals_plain_autograd(hypersphere: bool, noise_std: float, switches: dict[str, bool]) -> None:
    dim, rows, method = 40, 24, Method(hypersphere=hypersphere, step=10, **switches)
    fused, plain = heads(dim, 12, seed=7), heads(dim, 12, seed=7)
    generator = torch.Generator().manual_seed(8)
    normal, las, noise, centre = torch.randn(4, rows, dim, dtype=torch.float64, generator=generator)
    mask = (torch.rand(rows, 1, generator=generator) < 0.3).double()
    _, log = loss_of(fused, normal, las, mask, noise_std * noise, method, centre)
    wanted = plain_of(plain, normal, las, mask, noise_std * noise, method, centre)
    for name, loss in zip(("loss_normal", "loss_gas", "loss_las"), wanted, strict=True):
        close(log[name], loss.detach(), name, 1e-10)

    fused, rest = heads(dim, 12, seed=7), heads(dim, 12, seed=7)
    total, _ = loss_of(fused, normal, las, mask, noise_std * noise, method, centre)
    total.backward()
    torch.stack(plain_of(rest, normal, las, mask, noise_std * noise, method, centre)).sum().backward()
    for (key, got), (_, wanted_parameter) in zip(fused.named_parameters(), rest.named_parameters(), strict=True):
        assert got.grad is not None
        assert wanted_parameter.grad is not None
        close(got.grad, wanted_parameter.grad, key, 1e-10)
    for (key, value), (_, wanted_buffer) in zip(fused.named_buffers(), rest.named_buffers(), strict=True):
        close(value, wanted_buffer, key, 1e-10)


def test_batch_norm_is_updated_22_times_and_twice_without_mining() -> None:
    for mining, updates in ((True, 22), (False, 2)):
        modules = heads(8, 6)
        rows = torch.randn(3, 10, 8, dtype=torch.float64)
        mask = torch.tensor([[0.0], [1.0]], dtype=torch.float64).repeat(5, 1)
        loss_of(modules, rows[0], rows[1], mask, 0.1 * rows[2], Method(mining=mining))
        assert int(modules["discriminator"].norm.num_batches_tracked) == updates  # type: ignore[arg-type, union-attr]


@pytest.mark.parametrize(("dim", "low", "high"), [(1536, 0.0, 0.0), (1024, 0.9, 1.0)])
def test_the_manifold_projection_is_idle_at_the_default_width_only(dim: int, low: float, high: float) -> None:
    """docs/explanation/glass.md#truncated-projection: ||noise|| is 0.588 at d = 1536, inside [0.5, 1], and 0.48 at d = 1024."""
    modules = heads(dim, 8)
    generator = torch.Generator().manual_seed(9)
    normal, las, noise = torch.randn(3, 64, dim, dtype=torch.float64, generator=generator)
    mask = torch.ones(64, 1, dtype=torch.float64)
    _, log = loss_of(modules, normal, las, mask, 0.015 * noise, Method(step=5))
    assert low <= float(log["clamped"]) <= high


@pytest.mark.parametrize("method", [Method(), Method(hypersphere=True), Method(mining=False)], ids=["m", "h", "noise"])
def test_the_loss_and_its_steps_never_wait_for_the_device(method: Method) -> None:
    with FakeTensorMode():  # where every look at a value is an error
        adaptor, discriminator = Adaptor(24), Discriminator(24, 16)
        optimisers = [torch.optim.Adam(adaptor.parameters()), torch.optim.AdamW(discriminator.parameters())]
        normal, las, noise, centre = (torch.empty(40, 24) for _ in range(4))
        loss, log = glass_loss(adaptor, discriminator, normal, las, torch.empty(40, 1), noise, method, centre)
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        assert "r_f" in log and ("clamped" in log) == method.mining
        with pytest.raises(DataDependentOutputException):
            bool(loss > 0)


@pytest.mark.parametrize("rounded", [False, True], ids=["exact", "bf16"])
def test_a_step_of_the_ascent_compiles_as_one_graph_and_stays_the_same(rounded: bool) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(_climb, fullgraph=True, dynamic=True, backend="aot_eager")
    discriminator = heads(24, 16)["discriminator"]
    assert isinstance(discriminator, Discriminator)
    discriminator.linear.bf16 = rounded
    gram = discriminator.linear.rounded(discriminator.linear.weight.detach() @ discriminator.linear.weight.detach().T)
    assert gram.dtype is (torch.bfloat16 if rounded else torch.float64)
    for rows in (40, 24):  # the last batch may be short
        hidden, mean, var = torch.randn(rows, 16, dtype=torch.float64), torch.zeros(16).double(), torch.ones(16).double()
        results = []
        for climb in (_climb, compiled):
            own, at, moved = copy.deepcopy(discriminator), hidden.clone(), torch.zeros_like(hidden)
            with torch.no_grad():
                climb(own, at, moved, gram, mean, var)
            results.append((at, moved, dict(own.named_buffers())))
        assert not torch.equal(results[0][0], hidden)
        torch.testing.assert_close(results[1], results[0], rtol=1e-10, atol=1e-12)


def test_rows_that_miss_every_defect_have_no_radius_of_their_own() -> None:
    rows = [torch.randn(40, 24, dtype=torch.float64) for _ in range(4)]
    loss, log = loss_of(heads(24, 16), rows[0], rows[1], torch.zeros(40, 1, dtype=torch.float64), rows[2], Method(), rows[3])
    assert loss.isfinite() and log["r_f"].isnan() and log["p_fake"].isfinite() and log["r_t"].isfinite()


def test_hypersphere_needs_a_centre() -> None:
    rows = torch.randn(4, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match="centre"):
        loss_of(heads(8, 4), rows, rows, torch.ones(4, 1).double(), rows, Method(hypersphere=True))


def test_golden_focal() -> None:
    golden = load(shared("goldens/focal.npz"))
    p, mask = torch.from_numpy(golden["p"]), torch.from_numpy(golden["mask"])
    assert float(focal_loss(p, mask, torch.ones_like(p))) == pytest.approx(float(golden["loss"]), abs=1e-6)


@pytest.mark.parametrize(("p", "mask", "wanted"), [(0.5, 0, 0.173275), (0.5, 1, 0.173275), (0, 1, 10.819346), (1, 1, 0)])
def test_focal_values(p: float, mask: float, wanted: float) -> None:
    loss = focal_loss(torch.tensor([[p]]).double(), torch.tensor([[mask]]).double(), torch.ones(1, 1).double())
    assert float(loss) == pytest.approx(wanted, abs=2e-5)


@pytest.mark.parametrize(
    ("errors", "fraction", "kept"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.5, [0, 0, 1, 1]),
        ([0.1, 0.2, 0.3], 0.5, [0, 1, 1]),
        ([0.1, 0.3, 0.3, 0.3], 0.5, [0, 1, 1, 1]),  # ties at the quantile stay
        ([0.2, 0.2, 0.2, 0.2], 0.5, [1, 1, 1, 1]),
        ([0.1, 0.9], 0.0, [1, 1]),  # 0 keeps all
    ],
)
def test_hard_examples(errors: list[float], fraction: float, kept: list[int]) -> None:
    p = torch.tensor(errors, dtype=torch.float64).unsqueeze(1)
    assert hard_weights(p, torch.zeros_like(p), fraction).flatten().tolist() == kept
