"""Official folders as training data, alone and mixed."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from headwise import plugins
from headwise.annotations import biwi as biwi_set
from headwise.conventions import EulerOrder
from headwise.errors import InputError, SettingsError
from headwise.rotation import Rotation
from headwise.training.head_samples import AugmentSettings, HeadSamples
from headwise.training.mixing import DataSettings, Mixture, open_heads
from headwise.training.settings import checked
from labelled_folders import HEADER, write_csv
from official_folders import (
    picture,
    points68,
    write_300w_lp,
    write_aflw2000,
    write_biwi,
    write_picture,
    write_pointing04,
    zipped,
)


def load(name: str, folder: Path, held_out: bool = False, **options):
    heads = plugins.load("training.datasets", name, folder=folder, held_out=held_out, **options)
    heads.refresh()
    return heads


@pytest.fixture
def lp(tmp_path: Path) -> Path:
    for number in range(24):
        for k in (0, 1):
            stem = f"LFPW_image_train_{number:04}_{k}"
            write_300w_lp(tmp_path, "LFPW", stem, (10 * k, 5, 0), points68(150, 120, 150, 160))
            write_300w_lp(tmp_path, "LFPW_Flip", stem, (-10 * k, 5, 0))
    return tmp_path


def test_a_photographs_copies_are_on_one_side_of_the_held_out_line(lp: Path) -> None:
    training, held_out = load("w300lp", lp, share=0.2), load("w300lp", lp, held_out=True, share=0.2)
    assert len(training) + len(held_out) == 96
    assert len(held_out) % 4 == 0
    groups = [{heads.faces.group_of(name) for name in heads.names} for heads in (training, held_out)]
    assert groups[1]
    assert not groups[0] & groups[1]


def test_a_fitted_face_as_a_head(lp: Path) -> None:
    heads = load("w300lp", lp, share=0.2)
    head = heads.head(0)
    np.testing.assert_allclose(head.box, [*head.points_px.min(0), *head.points_px.max(0)])
    assert np.isnan(head.points_depth_px).all()
    assert np.isnan(head.visibility).all()
    assert head.face_hidden is False
    assert head.roll_known
    assert heads.picture(0).shape == (450, 450, 3)
    assert heads.mask(0) is None


def test_a_face_is_seen_upright_at_its_place_in_the_crop(lp: Path) -> None:
    heads = load("w300lp", lp, share=0.2)
    sample = HeadSamples(heads, AugmentSettings(), 1.2, True).sample(0, 96, np.random.default_rng(0))
    extent = np.ptp(sample["points"], axis=0).max()
    assert extent == pytest.approx(2 / 1.2, abs=1e-3), "the box fills the crop but for the rule's margin"
    assert sample["points"].mean(0) == pytest.approx((0, 0), abs=0.2)
    assert np.isnan(sample["points_depth"]).all()


def test_pointing04_has_no_roll_and_leaves_steep_pictures_aside(tmp_path: Path) -> None:
    write_pointing04(tmp_path, 1, 0, -90, 0)
    write_pointing04(tmp_path, 1, 5, -30, 45)
    write_pointing04(tmp_path, 14, 5, -30, 45)
    heads = load("pointing04", tmp_path)
    assert len(heads) == 1
    assert not heads.head(0).roll_known
    assert heads.head(0).rotation[0, 2] > 0.5, "the nose points to the left of the picture"
    assert load("pointing04", tmp_path, held_out=True).names == ("Person14/person14105-30+45.jpg",)


def test_biwi_holds_its_test_recordings_out_and_brings_masks(tmp_path: Path) -> None:
    for sequence in ("01", "04"):
        write_biwi(tmp_path, sequence, 3, np.eye(3))
    training, held_out = load("biwi", tmp_path), load("biwi", tmp_path, held_out=True)
    assert [biwi_set.sequence_of(name) for name in training.names + held_out.names] == ["01", "04"]
    assert training.mask(0).max() == 255
    sample = HeadSamples(training, AugmentSettings(), 1.2, False).sample(0, 64, np.random.default_rng(0))
    assert np.isnan(sample["points"]).all()
    assert sample["crop"].shape == (64, 64, 3)


def own_folder(folder: Path, count: int, yaw_deg: float = 0.0, value: int = 50, groups: int = 0) -> Path:
    rows = []
    for number in range(count):
        write_picture(folder / f"{number:03}.png", picture(value))
        group = number % groups if groups else number
        rows.append((f"{number:03}.png", yaw_deg, 0, "", 10, 10, 50, 50, group))
    write_csv(folder, (*HEADER, "group"), rows)
    return folder


def test_ones_own_folder_in_either_order(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", picture())
    write_csv(tmp_path, HEADER, [("a.png", 50, 40, 30, 10, 10, 50, 50)])
    for order in EulerOrder:
        expected = Rotation.from_euler(order, yaw_deg=50, pitch_deg=40, roll_deg=30).matrix
        np.testing.assert_allclose(
            load("labels_csv", tmp_path, share=0.0, order=order).head(0).rotation, expected
        )
    with pytest.raises(SettingsError, match="no order 'xyz'; there are: azimuth, 300w-lp"):
        load("labels_csv", tmp_path, order="xyz")


def test_groups_of_ones_own_folder_stay_together(tmp_path: Path) -> None:
    own_folder(tmp_path, 60, groups=12)
    held_out = load("labels_csv", tmp_path, held_out=True, share=0.3)
    assert len(held_out) % 5 == 0
    assert 0 < len(held_out) < 60


def test_listed_items_are_left_out_and_nothing_else(tmp_path: Path) -> None:
    own_folder(tmp_path, 5)
    listed = tmp_path / "bad.txt"
    listed.write_text("001.png\n004.png\n")
    heads = load("labels_csv", tmp_path, share=0.0, excluded=str(listed))
    assert heads.names == ("000.png", "002.png", "003.png")
    listed.write_text("001.jpg\n")
    with pytest.raises(InputError, match=r"001\.jpg is no item"):
        load("labels_csv", tmp_path, excluded=str(listed))


def test_a_broken_picture_is_an_error_when_it_is_drawn(tmp_path: Path) -> None:
    own_folder(tmp_path, 2)
    (tmp_path / "001.png").write_bytes(b"no picture")
    heads = load("labels_csv", tmp_path, share=0.0)
    with pytest.raises(InputError, match=r"001\.png: not a picture"):
        heads.picture(1)


def test_a_side_without_items_is_an_error(tmp_path: Path) -> None:
    own_folder(tmp_path, 2)
    with pytest.raises(InputError, match="none of the 2 items of labels_csv are held-out ones"):
        load("labels_csv", tmp_path, held_out=True, share=0.0)


def test_a_resumed_run_wants_the_same_files(tmp_path: Path) -> None:
    heads = load("labels_csv", own_folder(tmp_path / "a", 5), share=0.0)
    assert heads.refresh(heads.refresh()) == heads.refresh()
    other = load("labels_csv", own_folder(tmp_path / "b", 6), share=0.0)
    with pytest.raises(InputError, match=r"holds labels_csv-6-\w+, the run began with labels_csv-5"):
        other.refresh(heads.refresh())


def test_a_zip_trains_as_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    for number in range(2, 8):
        write_aflw2000(folder, number, (number, 0, 0))
    archive = load("aflw2000", zipped(folder, tmp_path / "AFLW2000-3D.zip"), share=0.0)
    unpacked = load("aflw2000", folder, share=0.0)
    for index in range(6):
        np.testing.assert_array_equal(archive.picture(index), unpacked.picture(index))
        for mine, theirs in zip(archive.head(index), unpacked.head(index), strict=True):
            np.testing.assert_array_equal(mine, theirs)


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    """30 dark pictures that look to the left, 5 bright ones to the right; three of four draws dark."""
    own_folder(tmp_path / "dark", 30, 20, 40)
    own_folder(tmp_path / "bright", 5, -20, 200)
    settings = checked(
        DataSettings,
        {
            "mix": [
                {"name": "labels_csv", "folder": "dark", "weight": 3, "options": {"share": 0.0}},
                {"name": "labels_csv", "folder": "bright", "weight": 1, "options": {"share": 0.0}},
            ]
        },
    )
    heads = open_heads(settings, tmp_path, held_out=False)
    heads.refresh()
    return heads


def test_a_round_has_the_proportions_of_the_weights(mixture: Mixture) -> None:
    order = mixture.order(np.random.default_rng(0))
    assert len(mixture) == 35
    counts = np.bincount(order, minlength=35)
    assert (counts[:30] == 1).all(), "the set that is largest for its weight: once"
    assert (counts[30:] == 2).all(), "10 of 40 draws from 5 items: each twice"
    assert 2 < (order[:20] >= 30).sum() < 9, "mingled"


def test_indices_lead_to_their_sets(mixture: Mixture) -> None:
    for index in range(35):
        assert mixture.head(index).rotation[0, 2] * (1 if index < 30 else -1) > 0
        assert mixture.picture(index)[0, 0, 0] == (40 if index < 30 else 200)


def test_a_round_depends_on_its_generator_alone(mixture: Mixture) -> None:
    once, again = (mixture.order(np.random.default_rng((1, 1, 3))) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (once != mixture.order(np.random.default_rng((1, 1, 4)))).any()


def test_a_mixture_is_resumed_with_the_same_sets(mixture: Mixture, tmp_path: Path) -> None:
    names = mixture.refresh()
    assert [name.partition(":")[0] for name in names] == ["0", "1"]
    assert mixture.refresh(names) == names
    swapped = Mixture(mixture.sets[::-1], [1, 3])
    with pytest.raises(InputError, match="give it the same"):
        swapped.refresh(names)


def test_no_item_comes_twice_before_all_have_come_once(tmp_path: Path) -> None:
    sets = [load("labels_csv", own_folder(tmp_path / str(n), n), share=0.0) for n in (12, 5)]
    mixture = Mixture(sets, [1, 1])
    mixture.refresh()
    counts = np.bincount(mixture.order(np.random.default_rng(0)), minlength=17)
    assert counts[:12].tolist() == [1] * 12
    assert sorted(set(counts[12:].tolist())) == [2, 3]


def test_held_out_begins_with_every_set_in_proportion(tmp_path: Path) -> None:
    sets = [load("labels_csv", own_folder(tmp_path / str(n), n, n), share=0.0) for n in (40, 10)]
    mixture = Mixture(sets, [1, 1], held_out=True)
    mixture.refresh()
    first = [mixture._places[index, 0] for index in range(20)]
    assert first.count(0) == first.count(1) == 10
    assert len({tuple(place) for place in mixture._places.tolist()}) == 50


@pytest.mark.parametrize(
    "values, message",
    [
        ({"mix": [{"name": "labels_csv", "weight": 0}]}, r"task\.data\.mix\.0\.weight"),
        ({"mix": [{"name": "labels_cvs"}]}, "did you mean 'labels_csv'"),
        ({"name": "labels_csv", "options": {"shore": 1}}, r"'shore'; the options are labels_csv"),
        ({"name": "labels_csv", "options": {"folder": "x"}}, "folder is no option of labels_csv"),
        ({"name": "biwi", "mix": [{"name": "labels_csv"}]}, r"stand in each \[\[task\.data\.mix\]\]"),
    ],
)
def test_wrong_settings_are_told(tmp_path: Path, values: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_heads(checked(DataSettings, values, "task.data"), own_folder(tmp_path, 3), held_out=False)


def test_every_set_takes_folder_and_held_out() -> None:
    for name in ("w300lp", "aflw2000", "biwi", "labels_csv", "pointing04", "crop_shards"):
        parameters = inspect.signature(plugins.find("training.datasets", name)).parameters
        assert {"folder", "held_out"} <= set(parameters)


def test_the_pose_task_learns_from_a_mixture_of_rendered_and_labelled_heads(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning_fabric")
    from fake_shards import write_shard
    from headwise.training.loop import collate
    from headwise.training.tasks import pose

    write_shard(tmp_path / "shards/shard-00000.npz", 12)
    write_pointing04(tmp_path / "pointing", 1, 5, -30, 45)
    mix = [
        {"name": "crop_shards", "folder": "shards"},
        {"name": "pointing04", "folder": "pointing"},
    ]
    network = {"width": 0.25, "last_channels": 32, "hidden": 16}
    task = pose.create({"data": {"mix": mix}, "network": network})
    data = task.data(tmp_path, held_out=False)
    data.refresh()
    order = data.order(np.random.default_rng(0))
    samples = [data.sample(int(k), 64, np.random.default_rng(int(k))) for k in order[:8]]
    batch = collate(samples)
    assert not batch["roll_known"].all()
    parts = task.losses(task.network(), batch, 1.0)
    total = torch.stack([part.mean() for part in parts.values()]).sum()
    assert torch.isfinite(total)
    total.backward()


def test_the_settings_in_the_documents_are_settings() -> None:
    import re
    import tomllib

    page = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        checked(DataSettings, tomllib.loads(block)["task"]["data"], "task.data")


def test_a_run_on_a_mixture_resumes_to_the_same_weights(mixture: Mixture, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("lightning_fabric")
    from toy_task import ToyTask, run_in, weights

    class Levels(HeadSamples):
        def sample(self, index, size_px, rng):
            sample = super().sample(index, size_px, rng)
            return {"picture": sample["crop"], "level": sample["rotation"][0, 2]}

    def run(name: str):
        data = Levels(mixture, AugmentSettings(), 1.2, held_out=False)
        return run_in(tmp_path / name, ToyTask(data=data), samples=96)

    whole = run("whole")
    whole.train()
    stopped = run("halves")
    original, steps = stopped._step, []

    def step(batch):
        steps.append(batch["index"])
        if len(steps) == 3:
            stopped.stop()
        return original(batch)

    stopped._step = step
    stopped.train()
    continued = run("halves")
    assert continued.resume()
    assert continued.position.samples == 24
    continued.train()
    assert whole.position.round > 0, "more than one round of 40"
    for name, value in weights(whole).items():
        torch.testing.assert_close(value, weights(continued)[name], rtol=0, atol=0)
