"""The configuration: published keys, the rules of merging, and errors that name the nearest key."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from minicaffe import compat
from minicaffe.detection import config
from minicaffe.detection.config import Config, ConfigError, UnknownKeyError, cfg, default_config


@pytest.fixture
def conf() -> Config:
    return default_config()


class TestDefaults:
    PUBLISHED = {
        "TRAIN.SCALES": (600,), "TRAIN.MAX_SIZE": 1000, "TRAIN.IMS_PER_BATCH": 2, "TRAIN.BATCH_SIZE": 128,
        "TRAIN.FG_FRACTION": 0.25, "TRAIN.FG_THRESH": 0.5, "TRAIN.BG_THRESH_HI": 0.5, "TRAIN.BG_THRESH_LO": 0.1,
        "TRAIN.USE_FLIPPED": True, "TRAIN.BBOX_REG": True, "TRAIN.BBOX_THRESH": 0.5, "TRAIN.SNAPSHOT_ITERS": 10000,
        "TRAIN.SNAPSHOT_INFIX": "", "TRAIN.USE_PREFETCH": False, "TRAIN.BBOX_NORMALIZE_TARGETS": True,
        "TRAIN.BBOX_INSIDE_WEIGHTS": (1, 1, 1, 1), "TRAIN.BBOX_NORMALIZE_TARGETS_PRECOMPUTED": False,
        "TRAIN.BBOX_NORMALIZE_STDS": (0.1, 0.1, 0.2, 0.2), "TRAIN.ASPECT_GROUPING": True, "TRAIN.HAS_RPN": False,
        "TRAIN.RPN_BATCHSIZE": 256, "TRAIN.RPN_POSITIVE_WEIGHT": -1.0, "TRAIN.USE_OHEM": False,
        "TRAIN.OHEM_USE_NMS": True, "TRAIN.OHEM_NMS_THRESH": 0.7, "TRAIN.PROPOSAL_METHOD": "selective_search",
        "TEST.SCALES": (600,), "TEST.MAX_SIZE": 1000, "TEST.NMS": 0.3, "TEST.SVM": False, "TEST.BBOX_REG": True,
        "TEST.RPN_PRE_NMS_TOP_N": 6000, "DEDUP_BOXES": 1 / 16, "RNG_SEED": 3, "EPS": 1e-14, "EXP_DIR": "default",
        "USE_GPU_NMS": True, "GPU_ID": 0, "MATLAB": "matlab",
    }  # fmt: skip

    @pytest.mark.parametrize("key", PUBLISHED)
    def test_published(self, conf: Config, key: str) -> None:
        value: object = conf
        for part in key.split("."):
            value = value[part]  # type: ignore[index]
        assert value == self.PUBLISHED[key]

    def test_pixel_means(self, conf: Config) -> None:
        assert conf.PIXEL_MEANS.shape == (1, 1, 3)
        np.testing.assert_allclose(conf.PIXEL_MEANS.ravel(), [102.9801, 115.9465, 122.7717])

    def test_each_has_its_own(self, conf: Config) -> None:
        conf.PIXEL_MEANS += 1
        assert default_config().PIXEL_MEANS[0, 0, 0] == 102.9801


class TestReading:
    def test_both_ways(self, conf: Config) -> None:
        assert conf.TRAIN.BATCH_SIZE == conf["TRAIN"]["BATCH_SIZE"] == 128
        assert conf["TRAIN"].SCALES[0] == 600
        assert "TRAIN" in conf and "TRIAN" not in conf
        assert conf.get("TRIAN", 7) == 7
        assert "IMS_PER_BATCH" in dir(conf.TRAIN)

    def test_unknown(self, conf: Config) -> None:
        for kind in (AttributeError, KeyError, ConfigError):
            with pytest.raises(kind, match=r"there is no key 'TRAIN\.BATCHSIZE' \(did you mean 'BATCH_SIZE'"):
                conf.TRAIN.BATCHSIZE  # noqa: B018
        assert not hasattr(conf, "NOTHING_LIKE_IT")

    def test_the_right_section_is_named(self, conf: Config) -> None:
        with pytest.raises(UnknownKeyError, match=r"no key 'IMS_PER_BATCH' \(did you mean 'TRAIN\.IMS_PER_BATCH'\?\)"):
            conf["IMS_PER_BATCH"]

    def test_copies(self, conf: Config) -> None:
        for twin in (conf.copy(), copy.deepcopy(conf), pickle.loads(pickle.dumps(conf))):
            twin.TRAIN.BATCH_SIZE = 5
            twin.PIXEL_MEANS[:] = 0
            assert conf.TRAIN.BATCH_SIZE == 128
            assert conf.PIXEL_MEANS.all()

    def test_repr_shows_values(self, conf: Config) -> None:
        assert "'OHEM_NMS_THRESH': 0.7" in repr(conf)


class TestAssigning:
    def test_known_keys_take_anything(self, conf: Config) -> None:
        conf.TRAIN.BG_THRESH_LO = 0
        conf["EXP_DIR"] = "mine"
        assert (conf.TRAIN.BG_THRESH_LO, conf.EXP_DIR) == (0, "mine")

    def test_unknown_keys_do_not(self, conf: Config) -> None:
        with pytest.raises(UnknownKeyError, match=r"did you mean 'SCALES'"):
            conf.TRAIN.SCALE = (400,)


class TestMerging:
    def test_nested(self, conf: Config) -> None:
        conf.merge_dict({"TRAIN": {"SCALES": [400, 500], "FG_FRACTION": 0.5}, "PIXEL_MEANS": [[[1, 2, 3]]]})
        assert conf.TRAIN.SCALES == (400, 500)
        assert conf.TRAIN.FG_FRACTION == 0.5
        assert conf.TRAIN.BATCH_SIZE == 128
        assert conf.PIXEL_MEANS.dtype == np.float64
        np.testing.assert_array_equal(conf.PIXEL_MEANS, [[[1, 2, 3]]])

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"TRAIN": {"FG_FRACTION": 1}}, r"TRAIN\.FG_FRACTION is of type float, not int like 1: write 1\.0"),
            ({"TRAIN": {"BATCH_SIZE": 1.0}}, r"TRAIN\.BATCH_SIZE is of type int, not float like 1\.0"),
            ({"TRAIN": {"BATCH_SIZE": True}}, r"BATCH_SIZE is of type int, not bool like True"),
            ({"TRAIN": {"USE_OHEM": 1}}, r"USE_OHEM is of type bool, not int like 1: write True or False"),
            ({"TRAIN": {"SCALES": 400}}, r"SCALES is of type tuple, not int like 400: write \[400\]"),
            ({"TRAIN": {"SCALES": "400,500"}}, r"SCALES is of type tuple, not str like '400,500': write \[A, B\]"),
            ({"TRAIN": {"SCALES": ["400"]}}, r"TRAIN\.SCALES takes numbers, not \['400'\]"),
            ({"EXP_DIR": 3}, r"EXP_DIR is of type str, not int like 3"),
            ({"TRAIN": 3}, r"TRAIN is a section with keys of its own, not 3"),
            ({"PIXEL_MEANS": "grey"}, r"PIXEL_MEANS is an array like .*, 'grey' is none"),
            ({"TEST": {"NMS_THRESH": 0.3}}, r"there is no key 'TEST\.NMS_THRESH' \(did you mean 'RPN_NMS_THRESH'"),
            ({"TRIAN": {}}, r"there is no key 'TRIAN' \(did you mean 'TRAIN'"),
        ],
    )
    def test_refused(self, conf: Config, values: dict, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            conf.merge_dict(values)

    def test_overridden(self, conf: Config) -> None:
        train = conf.TRAIN
        with conf.overridden({"TRAIN": {"BATCH_SIZE": 8}}) as inside:
            assert inside is conf
            assert train.BATCH_SIZE == 8
            train.MAX_SIZE = 7
        assert (train.BATCH_SIZE, train.MAX_SIZE) == (128, 1000)
        assert conf.TRAIN is train

    def test_overridden_is_undone_after_an_error(self, conf: Config) -> None:
        with pytest.raises(ConfigError), conf.overridden({"EXP_DIR": "mine", "NOPE": 1}):
            pass
        assert conf.EXP_DIR == "default"


class TestFiles:
    def test_ohem(self, conf: Config, tmp_path: Path) -> None:
        path = tmp_path / "ohem.yml"
        path.write_text(
            "EXP_DIR: fast_rcnn_ohem\nTRAIN:\n  IMS_PER_BATCH: 1\n  BATCH_SIZE: 64\n  USE_OHEM: True\n"
            "  BG_THRESH_LO: 0.0\n  ASPECT_GROUPING: False\n  SCALES: [480, 576]\n"
        )
        conf.merge_file(path)
        t = conf.TRAIN
        assert (t.IMS_PER_BATCH, t.BATCH_SIZE, t.USE_OHEM, t.BG_THRESH_LO) == (1, 64, True, 0.0)
        assert (t.ASPECT_GROUPING, t.SCALES, conf.EXP_DIR) == (False, (480, 576), "fast_rcnn_ohem")

    def test_errors_say_the_line(self, conf: Config, tmp_path: Path) -> None:
        path = tmp_path / "bad.yml"
        path.write_text("# mine\nTRAIN:\n  SCALES: [400]\n  BATCHSIZE: 4\n")
        with pytest.raises(UnknownKeyError, match=rf"{path}:4: there is no key 'TRAIN\.BATCHSIZE'"):
            conf.merge_file(path)
        path.write_text("EXP_DIR: x\nTRAIN: 7\n")
        with pytest.raises(ConfigError, match=rf"{path}:2: TRAIN is a section"):
            conf.merge_file(path)
        path.write_text("7: x\n")
        with pytest.raises(UnknownKeyError, match=rf"{path}:1: there is no key '7'"):
            conf.merge_file(path)

    @pytest.mark.parametrize(
        ("text", "message"),
        [("TRAIN: [", "is no YAML"), ("- 1\n- 2\n", "should hold keys and values"), ("just text", "should hold keys")],
    )
    def test_other_files(self, conf: Config, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "other.yml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            conf.merge_file(path)

    def test_nothing_in_it(self, conf: Config, tmp_path: Path) -> None:
        (tmp_path / "empty.yml").write_text("# nothing\n")
        conf.merge_file(tmp_path / "empty.yml")
        assert repr(conf) == repr(default_config())

    def test_missing(self, conf: Config, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            conf.merge_file(tmp_path / "no.yml")


class TestSet:
    def test_literals_and_text(self, conf: Config) -> None:
        conf.set_list(["TRAIN.SCALES", "(400, 500)", "EXP_DIR", "2020", "TRAIN.USE_OHEM", "True", "TEST.NMS", "0.4"])
        assert (conf.TRAIN.SCALES, conf.EXP_DIR, conf.TRAIN.USE_OHEM, conf.TEST.NMS) == ((400, 500), "2020", True, 0.4)
        conf.set_list(["PIXEL_MEANS", "[[[1, 2, 3]]]"])
        assert conf.PIXEL_MEANS.tolist() == [[[1, 2, 3]]]

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            (["TRAIN.SCALES"], "'TRAIN.SCALES' has no value"),
            (["TRAIN.USE_OHEM", "false"], "is of type bool, not str like 'false': write True or False"),
            (["TEST.NMS", "1"], "is of type float, not int like 1"),
            (["TRAIN.BATCH", "1"], "no key 'TRAIN.BATCH' .did you mean 'BATCH_SIZE'"),
            (["EXP_DIR.X", "1"], "EXP_DIR in 'EXP_DIR.X' is no section"),
        ],
    )
    def test_refused(self, conf: Config, items: list[str], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            conf.set_list(items)


class TestPublishedModule:
    def test_resolves(self, tmp_path: Path) -> None:
        module = compat.resolve("fast_rcnn.config")
        assert module is config
        path = tmp_path / "c.yml"
        path.write_text("RNG_SEED: 7\n")
        module.cfg_from_file(path)
        module.cfg_from_list(["TRAIN.MAX_SIZE", "900"])
        assert (cfg.RNG_SEED, cfg.TRAIN.MAX_SIZE) == (7, 900)

    def test_output_folder(self, tmp_path: Path) -> None:
        class Named:
            name = "voc_2007_test"

        cfg.ROOT_DIR = str(tmp_path)
        assert Path(config.get_output_dir(Named)) == tmp_path / "output" / "default" / "voc_2007_test"
        assert Path(config.get_output_dir(Named, Named)).is_dir()
