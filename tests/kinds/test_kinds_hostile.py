"""Corrupt, hostile and gigantic artifacts: refused by reading them, without running anything and within bounds."""

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib

import joblib
import numpy as np
import pytest
from kinds_models import PICKLES

from modelyard.core.errors import InvalidArtifact, TooLarge, Untrusted
from modelyard.kinds import registry
from modelyard.kinds.contract import Policy, Severity

ML = registry.kind("ml")


@pytest.fixture
def canary(tmp_path):
    """A file that hostile artifacts try to make."""
    return tmp_path / "canary"


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def _refused(path, policy=PICKLES, match=None, error=InvalidArtifact):
    with pytest.raises(error, match=match) as caught:
        ML.inspect(path, policy)
    return caught.value


COMPRESSIONS = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "none": lambda data: data,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_hostile_pickle_is_refused_however_it_is_compressed(tmp_path, canary, compression, protocol):
    data = pickle.dumps({"model": np.zeros(3), "x": Runs(os.system, f"touch {canary}")}, protocol=protocol)
    (path := tmp_path / "model.joblib").write_bytes(COMPRESSIONS[compression](data))
    _refused(path, match=r"posix\.system")
    assert not canary.exists()


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("lzma", 3), ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_a_hostile_joblib_is_refused_however_joblib_compressed_it(tmp_path, canary, compress):
    path = tmp_path / "model.joblib"
    hidden = np.array([Runs(os.system, f"touch {canary}")], dtype=object)
    joblib.dump([np.zeros(1000), hidden, np.ones((3, 4), order="F")], path, compress=compress)
    _refused(path, match=r"posix\.system")
    assert not canary.exists()


@pytest.mark.parametrize(
    "function",
    [eval, exec, getattr, open, __import__, os.remove, pickle.loads, joblib.load, np.load, np.fromfile, io.open],
    ids=lambda f: f.__name__,
)
def test_dangerous_names_are_refused_whatever_policy_trusts(tmp_path, function):
    trusted = (f"{function.__module__}.{function.__name__}", "numpy.load", "numpy.fromfile", "builtins.eval")
    (path := tmp_path / "model.pkl").write_bytes(pickle.dumps(Runs(function, "x")))
    _refused(path, PICKLES.model_copy(update={"trusted_types": trusted}), match="imports")


def _raw(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def _text(value: str) -> bytes:
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


RAW = {
    "a dotted name": _raw(_text("sklearn.pipeline"), _text("Pipeline.__init__.__globals__"), b"\x93"),
    "a computed name": _raw(_text("os"), b"\x8c\x06systemq\x00", b"\x93"),
    "a name through the memo": _raw(_text("os"), b"\x94", _text("system"), b"\x94", b"h\x00h\x01\x93"),
    "a name made by a call": _raw(b"cbuiltins\nstr\n", b")R", _text("system"), b"\x93"),
    "INST": _raw(b"(", _text("ls"), b"ios\nsystem\n"),
    "GLOBAL": _raw(b"cos\nsystem\n", _text("ls"), b"\x85R"),
    "a persistent id": _raw(b"Pevil\n"),
    "an extension code": _raw(b"\x82\x01"),
    "an out-of-band buffer": _raw(b"\x97"),
    "calling a result": _raw(b"cbuiltins\nobject\n", b")R", b")R"),
    "bytes after the end": pickle.dumps([1]) + b"more",
    "two pickles": pickle.dumps([1]) + pickle.dumps([2]),
    "no end": pickle.dumps([1, 2, 3])[:-1],
    "protocol 0": b"cos\nsystem\n(S'ls'\ntR.",
    "an unknown opcode": _raw(b"\xff"),
    "an empty stack": _raw(b""),
    "an opcode over the end of its frame": b"\x80\x04\x95" + struct.pack("<Q", 3) + _text("os") + _text("system") + b"\x93.",
    "a frame in a frame": b"\x80\x04\x95" + struct.pack("<Q", 30) + b"\x95" + struct.pack("<Q", 1) + b"N.",
    "an unknown memo": _raw(b"h\x07"),
    "a length beyond the file": _raw(b"\x8e" + struct.pack("<Q", 1 << 60)),
}


@pytest.mark.parametrize("name", RAW)
def test_a_pickle_that_cannot_be_followed_is_refused(tmp_path, name):
    (path := tmp_path / "model.pkl").write_bytes(RAW[name])
    _refused(path)


def test_array_data_cannot_hide_opcodes(tmp_path, canary):
    """The lengths that joblib's wrapper tells are followed exactly: cutting or growing the data is noticed."""
    path = tmp_path / "model.joblib"
    joblib.dump([np.arange(100.0)], path)
    whole = path.read_bytes()
    for data in (whole[:-3], whole + b"\0", whole.replace(struct.pack("<d", 50.0), b"")):
        path.write_bytes(data)
        _refused(path)


def test_pickles_are_dangerous_unless_policy_allows_them(artifacts):
    good = artifacts["pipeline.pkl"]
    found = ML.inspect(good.path, Policy())
    assert found.executes_code
    assert [risk.severity for risk in found.risks] == [Severity.DANGER]
    with pytest.raises(Untrusted):
        ML.load(good.path, found, good.signature, Policy())
    assert ML.inspect(good.path, PICKLES).risks[0].severity is Severity.WARNING


def test_skops_with_strange_types_is_flagged_and_not_loaded(tmp_path, artifacts):
    path = _edited_skops(
        tmp_path, artifacts["forest.skops"].path, "RandomForestClassifier", "sklearn.ensemble._forest", "os", "system"
    )
    found = ML.inspect(path, Policy(trusted_types=("os.system",)))
    assert [risk.code for risk in found.risks] == ["untrusted_types"]
    assert found.risks[0].severity is Severity.DANGER
    with pytest.raises(Untrusted, match=r"os\.system"):
        ML.load(path, found, artifacts["forest.skops"].signature, Policy())


def _edited_skops(tmp_path, source, cls, module, new_module, new_cls):
    path = tmp_path / "edited.skops"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "schema.json":
                schema = json.loads(data)
                assert (schema["__class__"], schema["__module__"]) == (cls, module)
                schema |= {"__class__": new_cls, "__module__": new_module}
                data = json.dumps(schema).encode()
            new.writestr(member, data)
    return path


def test_onnx_with_tensors_in_other_files_is_refused(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    weight = onnx.numpy_helper.from_array(np.ones((2, 2), dtype=np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, location="../../etc/passwd")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (path := tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    _refused(path, match="other files")


def test_onnx_with_operators_of_its_own_is_dangerous(tmp_path):
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Evil", ["x"], ["y"], domain="acme")], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)], ir_version=8)
    (path := tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    found = ML.inspect(path, Policy())
    assert [(risk.code, risk.severity) for risk in found.risks] == [("custom_operators", Severity.DANGER)]
    with pytest.raises(Untrusted, match="acme"):
        ML.load(path, found, found.signature, Policy())


@pytest.mark.parametrize("magic", [b"\x08\x08", b"\x80\x04", b"tree\n", b"{", b"PK\x03\x04", b"\x78\x9c"])
def test_a_gigantic_file_is_refused_without_reading_it(tmp_path, magic):
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.write(magic)
        file.truncate(1 << 40)
    _refused(path, error=TooLarge, match="larger than")


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress], ids=lambda f: f.__module__)
def test_a_compression_bomb_stops_at_the_limit(tmp_path, compress):
    (path := tmp_path / "bomb.joblib").write_bytes(compress(b"\x80\x04" + bytes(30_000_000)))
    assert path.stat().st_size < 100_000
    _refused(path, Policy(max_unpacked_bytes=1_000_000), error=TooLarge)


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("MLmodel", "flavors: {}")
        bundle.writestr("model.onnx", bytes(30_000_000))
    _refused(path, Policy(max_unpacked_bytes=1_000_000), error=TooLarge)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("MLmodel", bytes(30_000_000))
    data = path.read_bytes().replace(struct.pack("<I", 30_000_000), struct.pack("<I", 1000))
    path.write_bytes(data)
    _refused(path, Policy(max_unpacked_bytes=1_000_000))


MLMODEL = b"flavors: {onnx: {data: model.onnx}}\n"


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_archives_cannot_write_outside_their_folder(tmp_path, name):
    with zipfile.ZipFile(path := tmp_path / "model.zip", "w") as bundle:
        bundle.writestr("MLmodel", MLMODEL)
        bundle.writestr("x", b"")
        bundle.infolist()[-1].filename = name
    _refused(path, match="leaves the archive")
    with tarfile.open(path := tmp_path / "model.tar.gz", "w:gz") as bundle:
        _add(bundle, "MLmodel", MLMODEL)
        _add(bundle, name, b"evil")
    _refused(path, match="leaves the archive")


def _add(bundle, name, data):
    (info := tarfile.TarInfo(name)).size = len(data)
    bundle.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_archives_cannot_hold_links_or_devices(tmp_path, kind):
    with tarfile.open(path := tmp_path / "model.tar.gz", "w:gz") as bundle:
        _add(bundle, "MLmodel", MLMODEL)
        (info := tarfile.TarInfo("model.onnx")).type = kind
        info.linkname = "/etc/passwd"
        bundle.addfile(info)
    _refused(path, match="link or a device")


def test_folders_cannot_hold_links(tmp_path):
    (folder := tmp_path / "model").mkdir()
    (folder / "MLmodel").write_bytes(MLMODEL)
    (folder / "model.onnx").symlink_to("/etc/passwd")
    _refused(folder, match="link or a device")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("flavors: {onnx: {data: ../../etc/passwd}}", "leaves the archive"),
        ("flavors: {onnx: {data: /etc/passwd}}", "leaves the archive"),
        ("flavors: {python_function: {}}", "can be served"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("a: &a [x]\nb: *a", "aliases"),
        ("[]", "not a mapping"),
        ("flavors: {sklearn: {}}", "not a plain file"),
        ("a: [", "not YAML"),
    ],
)
def test_a_bad_mlmodel_is_refused_in_words(tmp_path, text, complaint):
    (tmp_path / "MLmodel").write_text(text)
    _refused(tmp_path, match=complaint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=", "left_child=99 "),
        ("num_leaves=", "num_leaves=70"),
        ("split_feature=", "split_feature=9"),
        ("max_feature_idx=1", "max_feature_idx=5"),
        ("end of trees", "end of"),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=3"),
        ("leaf_value=", "leaf_value=x"),
        ("Tree=1", "Tree=2"),
    ],
)
def test_a_lightgbm_file_that_does_not_fit_together_is_refused(tmp_path, artifacts, old, new):
    text = artifacts["lgb.txt"].path.read_text()
    assert old in text
    (path := tmp_path / "model.txt").write_text(text.replace(old, new, 1))
    _refused(path, match="not a whole LightGBM model")


@pytest.mark.parametrize(
    ("name", "value"), [("left_children", 9999), ("split_indices", 77), ("right_children", 0)], ids=["child", "feature", "loop"]
)
def test_an_xgboost_file_that_does_not_fit_together_is_refused(tmp_path, artifacts, name, value):
    document = json.loads(artifacts["xgb.json"].path.read_text())
    document["learner"]["gradient_booster"]["model"]["trees"][0][name][0] = value
    (path := tmp_path / "model.json").write_text(json.dumps(document))
    _refused(path, match="not a whole XGBoost model")


def test_deep_nesting_is_refused(tmp_path):
    for data in (b'{"a":' * 100_000, b"{L" + struct.pack(">q", 1) + b"a" + b"[" * 100_000, b"\x80\x04" + b"]" * 1000):
        (path := tmp_path / "deep").write_bytes(data)
        _refused(path)


def test_names_that_cannot_be_recorded_are_refused(tmp_path, artifacts):
    document = json.loads(artifacts["xgb.json"].path.read_text())
    for names in (["", "b"], ["a", "a"], ["a" * 300, "b"]):
        document["learner"]["feature_names"] = names
        (path := tmp_path / "model.json").write_text(json.dumps(document))
        _refused(path, match="cannot be recorded")


def test_a_range_that_is_none_is_left_out(tmp_path, artifacts):
    text = artifacts["lgb.txt"].path.read_text()
    infos = next(line for line in text.splitlines() if line.startswith("feature_infos="))
    (path := tmp_path / "model.txt").write_text(text.replace(infos, "feature_infos=[nan:1] [2:-2]"))
    assert [(f.minimum, f.maximum) for f in ML.inspect(path, Policy()).signature.inputs] == [(None, None)] * 2
