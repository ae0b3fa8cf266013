"""`import caffe` and its submodules: found after install, gone after uninstall, genuine ones left in peace."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
from google.protobuf import text_format

import minicaffe
from minicaffe import compat
from minicaffe.compat import names


@pytest.fixture(autouse=True)
def as_found():
    """Every test starts without our finders, and leaves the process without them."""
    compat.uninstall()
    before = dict(sys.modules)
    yield
    compat.uninstall()
    for name in [name for name in sys.modules if name not in before]:
        if names.is_caffe(name) or name.startswith(("lib_", "legacy_")):
            del sys.modules[name]


@pytest.fixture
def genuine():
    """A Caffe that is not ours, imported."""
    caffe, pycaffe = ModuleType("caffe"), ModuleType("caffe.pycaffe")
    sys.modules.update({"caffe": caffe, "caffe.pycaffe": pycaffe})
    yield caffe
    for name in ("caffe", "caffe.pycaffe"):
        sys.modules.pop(name, None)


class TestNames:
    @pytest.mark.parametrize("name", sorted(names.MODULES))
    def test_every_target_exists(self, name):
        module = compat.resolve(name)
        assert module is importlib.import_module(names.MODULES[name])

    def test_packages_are_implied(self):
        package = compat.resolve("caffe.proto")
        assert package.__path__ == []
        assert package is compat.resolve("caffe.proto")
        assert package.caffe_pb2 is compat.resolve("caffe.proto.caffe_pb2")
        with pytest.raises(AttributeError, match=r"'caffe\.proto' has no attribute 'caffe_pb3'"):
            package.caffe_pb3  # noqa: B018

    @pytest.mark.parametrize("name", ["caffe.draw", "caffe.proto.other", "caf", "numpy", "minicaffe.io", ""])
    def test_other_names(self, name):
        assert compat.resolve(name) is None

    def test_resolving_installs_nothing(self):
        compat.resolve("caffe")
        compat.resolve("caffe.proto")
        assert "caffe" not in sys.modules
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("caffe.io")


class TestInstall:
    def test_legacy_imports(self):
        assert compat.install()
        scope: dict = {}
        exec(
            "import caffe\n"
            "import caffe.io\n"
            "from caffe import layers as L, params as P\n"
            "from caffe.proto import caffe_pb2\n"
            "from caffe.net_spec import NetSpec, Top, Function, to_proto\n"
            "from caffe.coord_map import crop, coord_map_from_to\n"
            "from caffe.classifier import Classifier\n"
            "from caffe.detector import Detector\n"
            "from caffe.pycaffe import Net, SGDSolver\n"
            "import caffe.proto.caffe_pb2 as pb\n",
            scope,
        )
        assert scope["caffe"].Net is scope["Net"] is minicaffe.Net
        assert scope["caffe"].io is minicaffe.io
        assert scope["caffe"].Classifier is scope["Classifier"]
        assert scope["caffe"].TEST == 1
        assert scope["caffe"].__version__ == minicaffe.__version__
        assert scope["pb"] is scope["caffe_pb2"] is scope["caffe"].proto.caffe_pb2
        assert scope["P"].Pooling.MAX == 0
        net = scope["L"].ReLU(scope["L"].Input()).to_proto()
        assert isinstance(net, scope["caffe_pb2"].NetParameter)

    def test_star_import(self):
        compat.install()
        scope: dict = {}
        exec("from caffe import *", scope)
        assert scope["Layer"] is minicaffe.Layer
        assert scope["TRAIN"] == 0
        assert scope["layers"].ReLU

    def test_import_of_the_package_alone_reaches_its_modules(self):
        compat.install()
        caffe = importlib.import_module("caffe")
        assert caffe.io.Transformer
        assert caffe.proto.caffe_pb2.NetParameter

    def test_modules_keep_their_own_names(self):
        compat.install()
        module = importlib.import_module("caffe.io")
        assert module.__name__ == module.__spec__.name == "minicaffe.io"
        assert sys.modules["caffe.io"] is sys.modules["minicaffe.io"]

    def test_unknown_names(self):
        compat.install()
        caffe = importlib.import_module("caffe")
        with pytest.raises(AttributeError, match=r"no 'Nett' in its caffe \(did you mean 'Net'"):
            caffe.Nett  # noqa: B018
        with pytest.raises(ModuleNotFoundError, match=r"caffe\.drawing"):
            importlib.import_module("caffe.drawing")

    def test_again_and_back(self):
        finders = list(sys.meta_path)
        assert compat.install()
        once = list(sys.meta_path)
        assert compat.install()
        assert sys.meta_path == once
        importlib.import_module("caffe.proto.caffe_pb2")
        assert compat.install()
        compat.uninstall()
        assert sys.meta_path == finders
        assert not [name for name in sys.modules if names.is_caffe(name)]
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("caffe")
        compat.uninstall()
        assert compat.install()
        assert importlib.import_module("caffe").Net is minicaffe.Net


class TestGenuineCaffe:
    def test_is_left_alone(self, genuine):
        assert not compat.install()
        assert importlib.import_module("caffe") is genuine
        compat.uninstall()
        assert sys.modules["caffe"] is genuine

    def test_is_put_aside_by_force_and_comes_back(self, genuine):
        pycaffe = sys.modules["caffe.pycaffe"]
        assert compat.install(force=True)
        assert importlib.import_module("caffe").Net is minicaffe.Net
        assert importlib.import_module("caffe.pycaffe") is not pycaffe
        assert compat.install()
        compat.uninstall()
        assert sys.modules["caffe"] is genuine
        assert sys.modules["caffe.pycaffe"] is pycaffe

    def test_on_the_path_ours_goes_first(self, tmp_path, monkeypatch):
        (tmp_path / "caffe.py").write_text("genuine = True")
        monkeypatch.syspath_prepend(tmp_path)
        compat.install()
        assert importlib.import_module("caffe").Net is minicaffe.Net


class TestPublishedNames:
    """Modules of the published detection code: the user's own go first."""

    @pytest.fixture(autouse=True)
    def table(self, monkeypatch):
        monkeypatch.setitem(names.MODULES, "legacy_lib.config", "minicaffe.phase")
        monkeypatch.setitem(names.MODULES, "legacy_lib.deep.inside", "minicaffe.rng")

    def test_found_where_the_user_has_none(self):
        compat.install()
        scope: dict = {}
        exec("import legacy_lib.deep.inside\nfrom legacy_lib.config import TEST\nfrom legacy_lib import deep", scope)
        assert scope["TEST"] == 1
        assert scope["legacy_lib"].deep.inside.Streams
        assert scope["deep"].inside.__name__ == "minicaffe.rng"
        compat.uninstall()
        assert "legacy_lib.deep.inside" not in sys.modules
        assert "legacy_lib" not in sys.modules

    def test_the_users_own_goes_first_and_ours_fills_in(self, tmp_path, monkeypatch):
        (tmp_path / "legacy_lib").mkdir()
        (tmp_path / "legacy_lib" / "__init__.py").write_text("mine = True")
        (tmp_path / "legacy_lib" / "config.py").write_text("TEST = 'mine'")
        monkeypatch.syspath_prepend(tmp_path)
        compat.install()
        importlib.invalidate_caches()
        assert importlib.import_module("legacy_lib.config").TEST == "mine"
        assert importlib.import_module("legacy_lib.deep.inside").__name__ == "minicaffe.rng"
        assert importlib.import_module("legacy_lib").mine

    def test_are_found_beside_a_genuine_caffe(self, genuine):
        assert not compat.install()
        assert importlib.import_module("legacy_lib.config").TEST == 1


class TestCaffePb2:
    def test_text_format(self):
        caffe_pb2 = compat.resolve("caffe.proto.caffe_pb2")
        net = caffe_pb2.NetParameter()
        text_format.Merge("name: 'n' layer { name: 'r' type: 'ReLU' relu_param { negative_slope: 0.5 } }", net)
        assert net.layer[0].relu_param.negative_slope == 0.5
        again = caffe_pb2.NetParameter()
        text_format.Parse(text_format.MessageToString(net), again)
        assert again == net
        assert caffe_pb2.NetParameter.FromString(net.SerializeToString()) == net

    def test_enums(self):
        caffe_pb2 = compat.resolve("caffe.proto.caffe_pb2")
        assert (caffe_pb2.TRAIN, caffe_pb2.TEST) == (0, 1)
        assert caffe_pb2.Phase.Name(1) == "TEST"
        assert caffe_pb2.V1LayerParameter.CONVOLUTION == 4
        assert caffe_pb2.V1LayerParameter.LayerType.Name(21) == "SOFTMAX_LOSS"
        assert caffe_pb2.PoolingParameter.PoolMethod.Value("AVE") == 1
        assert caffe_pb2.DESCRIPTOR.package == "caffe"
