"""Bodies of at most a megabyte that stand for far more, or ask for far more work, than they weigh; and how each is refused."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

LARGEST = 1_000_000
ARROW = "application/vnd.apache.arrow.stream"
MILLION = 1_000_000


@dataclass(frozen=True)
class Hostile:
    """One body, where it is sent to, and the refusal: its status and what its error says."""

    name: str
    path: str
    body: bytes = field(repr=False)
    status: int
    told: str
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def hostile(family: str) -> Iterator[Hostile]:
    """Those of a family, made one by one."""
    for one in FAMILIES[family]():
        assert len(one.body) <= LARGEST, one.name
        yield one


def _stream(batches: Iterable[pa.RecordBatch], schema: pa.Schema, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _columns(**columns: pa.Array) -> bytes:
    batch = pa.record_batch(columns)
    return _stream([batch], batch.schema)


def _arrow() -> Iterator[Hostile]:
    def body(name: str, stream: bytes, status: int, told: str, path: str = "/decide/hold") -> Hostile:
        return Hostile(f"arrow: {name}", path, stream, status, told, {"content-type": ARROW})

    nulls, ones = pa.nulls(MILLION), pa.array([True] * MILLION)
    rows = "1000000 rows; 1 to 100000 are answered at once"
    yield body("a million nulls", _columns(a=nulls, b=nulls), 400, rows)
    yield body("a million booleans", _columns(a=ones, b=ones), 400, rows)
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([MILLION], pa.int64()), pa.array([1.0]))
    yield body("one run of a million", _columns(a=runs, b=runs), 400, rows)
    yield body("a million of nothing", _columns(a=pa.array([b""] * MILLION, pa.binary(0))), 400, rows)
    codes = pa.array([0] * 900_000, pa.int8())
    yield body("codes of one word", _columns(a=pa.DictionaryArray.from_arrays(codes, ["word"])), 400, "900000 rows")
    few = pa.nulls(99_000)
    yield body("nulls in many columns", _columns(**{f"c{n}": few for n in range(199)}), 413, "19701000 values")
    some = pa.nulls(2_000)
    yield body("columns by the thousand", _columns(**{str(n): some for n in range(9_000)}), 413, "18000000 values")
    bits = pa.FixedSizeListArray.from_arrays(pa.array([True] * 7_000_000), 70)
    yield body("lists of bits", _columns(x=bits), 413, "7000000 values", "/decide/vector")
    void = pa.FixedSizeListArray.from_arrays(pa.nulls(19_000_000), 19_000_000)
    yield body("one list of nothing", _columns(x=void), 413, "19000000 values", "/decide/vector")
    yield from _arrow_batches(body)


def _arrow_batches(body: Any) -> Iterator[Hostile]:
    words = pa.array([f"{n:05}" for n in range(90_000)])
    looked_up = pa.record_batch([pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), words)], names=["a"])
    shared = _stream([looked_up] * 500, looked_up.schema)
    yield body("one dictionary for many batches", shared, 413, "dictionaries of 90000 values")
    schema = pa.schema([("a", pa.dictionary(pa.int32(), pa.string()))])
    texts = [f"{n:0100}" for n in range(800)]
    grown = [pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), pa.array(texts[:n])) for n in range(1, 800)]
    deltas = _stream((pa.record_batch([array], schema=schema) for array in grown), schema, emit_dictionary_deltas=True)
    yield body("a dictionary that grows", deltas, 400, "input 'a'")
    nothing = pa.schema([("a", pa.null())])
    empty = pa.record_batch([pa.nulls(0)], schema=nothing)
    yield body("empty batches", _stream([empty] * 6_000, nothing), 400, "0 rows")
    zeros = pa.record_batch({"a": pa.array([0.0] * 5_000_000, pa.float32())})
    for codec in ("lz4", "zstd"):
        yield body(f"{codec} within", _stream([zeros], zeros.schema, compression=codec), 400, "compressed")


def _repeated(piece: bytes) -> bytes:
    return piece * (LARGEST // len(piece))


def _compressed() -> Iterator[Hostile]:
    def body(encoding: str, name: str, packed: bytes, status: int, told: str) -> Hostile:
        headers = {"content-type": "application/json", "content-encoding": encoding}
        return Hostile(f"{encoding}: {name}", "/decide/hold", packed, status, told, headers)

    many = "of more than 4096"
    yield body("gzip", "members without anything", _repeated(gzip.compress(b"")), 413, many)
    yield body("gzip", "members of a byte", _repeated(gzip.compress(b" ")), 413, many)
    yield body("deflate", "members without anything", _repeated(zlib.compress(b"")), 413, many)
    head = gzip.compress(b"")[:10]
    yield body("gzip", "blocks without anything", head + b"\x00\x00\x00\xff\xff" * 190_000, 400, "ends within")
    yield body("gzip", "tables without anything", head + _tables(), 400, "ends within")
    yield body("zstd", "frames without anything", _repeated(pa.compress(b"", "zstd", asbytes=True)), 400, "not a record")
    yield body("br", "sixty megabytes", pa.compress(b"[" * (60 << 20), "brotli", asbytes=True), 413, "lists and objects")
    yield body("gzip", "sixty megabytes", gzip.compress(b"[" * (60 << 20), 1), 413, "lists and objects")
    yield body("zstd", "a hundred megabytes", pa.compress(b" " * (100 << 20), "zstd", asbytes=True), 413, "larger than")


def _tables() -> bytes:
    """Blocks that say at length how their codes are made, and then hold nothing (RFC 1951, 3.2.7)."""
    lengths = [0, 0, 1, *[0] * 14, 1]  # of the codes for 18 (many zeros) and 1, in the order of the standard
    block = "0" + "01" + "00000" + "00000" + f"{len(lengths) - 4:04b}"[::-1]
    block += "".join(f"{length:03b}"[::-1] for length in lengths)
    block += "1" + f"{138 - 11:07b}"[::-1] + "1" + f"{118 - 11:07b}"[::-1] + "0" + "0" + "0"
    bits = block * 8
    eight = bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))
    return (eight * (LARGEST // len(eight)))[: LARGEST - 10]


def _list(item: bytes, count: int) -> bytes:
    return b"[" + b",".join([item] * count) + b"]"


def _records() -> Iterator[Hostile]:
    def body(name: str, text: bytes, status: int, told: str, path: str = "hold") -> Hostile:
        return Hostile(f"decide: {name}", f"/decide/{path}", text, status, told)

    rows = "333000 rows; 1 to 100000 are answered at once"
    yield body("empty records", _list(b"{}", 333_000), 400, rows)
    yield body("empty records in an envelope", b'{"records":' + _list(b"{}", 333_000) + b"}", 400, rows)
    yield body("nulls that were left out", _list(b"{}", 99_000), 413, "9900000 values", "wide")
    names = b",".join(b'"%d":1' % n for n in range(85_000))
    yield body("names by the hundred thousand", b"{" + names + b"}", 400, "unknown input '0', and 84999 others")
    stranger = b"{" + b",".join(b'"k%d":1' % n for n in range(500)) + b"}"
    yield body("names that one record has", _list(b"{}", 90_000)[:-1] + b"," + stranger + b"]", 413, "90001 rows of 502 fields")
    long, some = b"s" * 400_000, _list(b'{"a":1,"b":1}', 35_000)
    for name in (b"subject", b"key", b"id", b"event_time"):
        told = f"length <= 1024 - at `$.{name.decode()}`"
        yield body(f"a long {name.decode()} for many", b'{"%b":"%b","records":%b}' % (name, long, some), 400, told)
    yield body(
        "keys for one", b'{"key":' + _list(b"1", 450_000) + b',"records":[{"a":1,"b":1}]}', 400, "450000 values for 1 rows"
    )
    yield body("names of outputs", b'{"outputs":' + _list(b'""', 300_000) + b',"records":[{"a":1,"b":1}]}', 400, "no output")
    yield body("lists in a vector", b'{"x":' + _list(b"[]", 320_000) + b"}", 400, "more lists than its shape", "vector")
    yield body("depth", b'{"a":' + b"[" * 400_000 + b"]" * 400_000 + b"}", 400, "recursion")
    yield body("a whole number", b'{"a":1' + b"0" * 900_000 + b',"b":1}', 400, "'a' is not right")
    yield body("whole numbers", _list(b'{"a":1' + b"0" * 4_200 + b',"b":1}', 230), 400, "'a' is not right")
    yield body("a twin at the end", _list(b'{"a":1,"b":1}', 60_000)[:-1] + b',{"a":1,"a":1}]', 400, "given twice")
    yield body("a long name", b'{"' + b"x" * 900_000 + b'":1,"a":1,"b":1}', 400, "unknown input 'xxx")


def _frames() -> Iterator[Hostile]:
    def body(name: str, text: bytes, status: int, told: str, path: str = "hold") -> Hostile:
        return Hostile(f"mlflow: {name}", f"/endpoints/{path}/invocations", text, status, told)

    for form in (b"dataframe_records", b"instances", b"inputs"):
        yield body(f"empty {form.decode()}", b'{"%b":%b}' % (form, _list(b"{}", 325_000)), 400, "325000 rows; 1 to 100000")
    split = b'{"dataframe_split":{"columns":["a","b"],"data":%b}}'
    yield body("empty rows", split % _list(b"[]", 320_000), 400, "320000 rows; 1 to 100000")
    yield body("short rows", split % _list(b"[1,1]", 150_000), 400, "150000 rows; 1 to 100000")
    yield body("numbers", b'{"inputs":' + _list(b"1", 490_000) + b"}", 400, "490000 rows; 1 to 100000", "vector")
    wide = json.dumps({"dataframe_records": [{}] * 4_400 + [{str(n): 1 for n in range(900)}]}).encode()
    yield body("names that one record has", wide, 413, "3960900 values")
    named = json.dumps({"inputs": {str(n): 1 for n in range(75_000)}}).encode()
    yield body("names by the ten thousand", named, 400, "and 74999 others")
    document = json.dumps({str(n): 1 for n in range(75_000)}).encode()
    yield body("members by the ten thousand", document, 400, "exactly one of")
    keys = b'{"params":{"routing_keys":' + _list(b"1", 450_000) + b'},"inputs":[[1,1]]}'
    yield body("keys for one", keys, 400, "450000 values for 1 rows")


def _csv() -> Iterator[Hostile]:
    def body(name: str, text: bytes, told: str) -> Hostile:
        return Hostile(f"csv: {name}", "/endpoints/hold/invocations", text, 400, told, {"content-type": "text/csv"})

    rows = "1 to 100000 are answered at once"
    yield body("empty lines", b"a,b\n" + b"\n" * 990_000, "more than 100000 empty lines")
    yield body("lines of a digit", b"a\n" + b"1\n" * 490_000, rows)
    yield body("lines of commas", b"a,b\n" + b",\n" * 330_000, rows)
    yield body("columns", ",".join(map(str, range(80_000))).encode() + b"\n" + b"," * 79_999, "and 79997 others")
    yield body("what looks like a number", b"a,b\n" + (b"1," + b"1" * 100_000 + b"x\n") * 9, "'b' is not right")


def _tensor(name: str, shape: bytes, data: bytes, datatype: str = "FP32") -> bytes:
    return b'{"name":"%b","shape":%b,"datatype":"%b","data":%b}' % (name.encode(), shape, datatype.encode(), data)


def _tensors() -> Iterator[Hostile]:
    def body(name: str, tensors: list[bytes], status: int, told: str, more: bytes = b"", path: str = "hold") -> Hostile:
        text = b'{"inputs":[' + b",".join(tensors) + b"]" + more + b"}"
        return Hostile(f"tensors: {name}", f"/v2/models/{path}/infer", text, status, told)

    one = [_tensor("a", b"[1]", b"[1]"), _tensor("b", b"[1]", b"[1]")]
    wide = [_tensor(name, b"[1000000,0]", b"[]") for name in "ab"]
    yield body("rows of nothing", wide, 400, "1000000 rows; 1 to 100000")
    ones = _list(b"1", 490_000)
    yield body("more data than rows", [_tensor("a", b"[1]", ones), one[1]], 400, "490000 values, its shape asks for 1")
    yield body("axes", [_tensor("a", ones, b"[1]"), one[1]], 400, "length <= 32")
    yield body("great axes", [_tensor("a", _list(b"4611686018427387904", 40_000), b"[1]"), one[1]], 400, "length <= 32")
    yield body("axes of many digits", [_tensor("a", _list(b"7" * 4_200, 220), b"[1]"), one[1]], 400, "shape")
    nested = [_tensor("a", b"[90000]", _list(b"[]", 320_000)), one[1]]
    yield body("lists of nothing", nested, 400, "more lists than its shape")
    yield body("depth", [_tensor("a", b"[1]", b"[" * 450_000 + b"]" * 450_000), one[1]], 400, "recursion")
    yield body("tensors", [_tensor(str(n), b"[]", b"0", "") for n in range(18_000)], 400, "0 rows")
    outputs = b',"outputs":' + _list(b'{"name":""}', 80_000)
    yield body("outputs", one, 400, "there is no output", outputs)
    rows = [_tensor(name, b"[60000]", _list(b"1", 60_000)) for name in "ab"]
    yield body("a long id for many", rows, 400, "length <= 1024 - at `$.id`", b',"id":"' + b"i" * 700_000 + b'"')
    subject = b',"parameters":{"subject":"' + b"i" * 700_000 + b'"}'
    yield body("a long subject for many", rows, 400, "length <= 1024 - at `$.parameters.subject`", subject)
    yield body("a long name", [_tensor("n" * 950_000, b"[2]", b"[1]")], 400, "shape and data do not fit", path="fixed")


def _bytes() -> Iterator[Hostile]:
    def body(name: str, tensors: list[dict[str, Any]], tail: bytes, told: str, path: str = "hold") -> Hostile:
        head = json.dumps({"inputs": tensors}, separators=(",", ":")).encode()
        headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
        return Hostile(f"bytes: {name}", f"/v2/models/{path}/infer", head + tail, 400, told, headers)

    def tensor(name: str, shape: list[int], size: int, datatype: str = "BYTES") -> dict[str, Any]:
        return {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}

    texts = [tensor("text", [240_000], 960_000)]
    yield body("texts of nothing", texts, b"\0" * 960_000, "240000 rows; 1 to 100000", "talk")
    small = [tensor(name, [400_000], 400_000, "INT8") for name in "ab"]
    yield body("small numbers", small, b"\0" * 800_000, "400000 rows; 1 to 100000")
    great = [tensor("a", [1] + [1 << 62] * 40_000, 4, "FP32"), tensor("b", [1], 4, "FP32")]
    yield body("great axes", great, b"\0" * 8, "length <= 32")
    yield body("tensors", [tensor(str(n), [1], 0) for n in range(9_000)], b"", "has 0 values, its shape asks for 1")


FAMILIES: dict[str, Callable[[], Iterator[Hostile]]] = {
    "arrow": _arrow,
    "compressed": _compressed,
    "records": _records,
    "frames": _frames,
    "csv": _csv,
    "tensors": _tensors,
    "bytes": _bytes,
}
