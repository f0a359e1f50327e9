import hashlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from hfx.backbones import (
    BACKBONES,
    Backbone,
    backbone_file,
    digest_of,
    find_backbone,
    load_backbone,
)
from hfx.errors import WeightsError

STATE = {"features.0.weight": torch.arange(12.0).reshape(3, 4), "features.0.bias": torch.ones(3)}


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


FILE = saved({**STATE, "classifier.weight": torch.zeros(5)})


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A public home of our own, its network known to `hfx`; yields a dict that steers it."""
    steer = {"body": FILE, "status": 200, "length": None, "asked": 0}

    class Home(BaseHTTPRequestHandler):
        def do_GET(self):
            steer["asked"] += 1
            self.send_response(steer["status"])
            self.send_header("Content-Length", str(steer["length"] or len(steer["body"])))
            self.end_headers()
            self.wfile.write(steer["body"])

        def log_message(self, *args):
            pass

    home = ThreadingHTTPServer(("127.0.0.1", 0), Home)
    threading.Thread(target=home.serve_forever, daemon=True).start()
    steer["url"] = f"http://127.0.0.1:{home.server_port}/net-file.pth"
    steer["cached"] = tmp_path / "hfx" / "net.pth"
    sha = hashlib.sha256(FILE).hexdigest()[:8]
    known = Backbone("net.pth", steer["url"], sha, "features.", digest_of(STATE))
    monkeypatch.setitem(BACKBONES, "net", known)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HFX_WEIGHTS", raising=False)
    yield steer
    home.shutdown()
    home.server_close()


def assert_nothing_left(server):
    folder = server["cached"].parent
    assert not folder.exists() or not list(folder.iterdir())


def test_a_download_is_verified_kept_and_not_repeated(server, capsys):
    for _ in range(2):
        state = load_backbone("net")
        assert state.keys() == STATE.keys()
        assert all(torch.equal(state[k], STATE[k]) for k in STATE)
    assert server["asked"] == 1
    assert server["cached"].read_bytes() == FILE
    assert server["url"] in capsys.readouterr().err


def test_another_file_at_the_address_is_refused(server):
    server["body"] = saved({k: v + 1 for k, v in STATE.items()})
    with pytest.raises(WeightsError, match="SHA-256"):
        load_backbone("net")
    assert_nothing_left(server)


def test_an_error_page_is_no_network(server):
    server["status"] = 404
    with pytest.raises(WeightsError) as caught:
        load_backbone("net")
    message = str(caught.value)
    assert server["url"] in message and "404" in message and "HFX_WEIGHTS" in message
    assert "net.pth" in message and "cannot write" not in message
    assert_nothing_left(server)


def test_a_connection_that_breaks_is_not_taken_for_the_end(server):
    server["length"] = len(FILE) + 1000
    with pytest.raises(WeightsError, match="net unavailable: needs http"):
        load_backbone("net")
    assert_nothing_left(server)


def test_no_network_at_all(server, monkeypatch):
    known = BACKBONES["net"]
    closed = Backbone(known.file, "http://127.0.0.1:9/net.pth", "", known.prefix, known.digest)
    monkeypatch.setitem(BACKBONES, "net", closed)
    with pytest.raises(WeightsError, match="needs http://127.0.0.1:9/net.pth"):
        load_backbone("net")


def test_what_needs_it_is_said_to_be_unavailable(server):
    server["status"] = 404
    with pytest.raises(WeightsError, match="^FID unavailable: needs http"):
        load_backbone("net", "FID")


def test_looking_for_a_file_downloads_nothing(server):
    assert find_backbone("net") is None
    assert server["asked"] == 0
    assert backbone_file("net") == find_backbone("net") == server["cached"]


def test_without_known_numbers_only_the_public_file_will_do(server, monkeypatch):
    sha = hashlib.sha256(FILE).hexdigest()
    whole = Backbone("net.pth", server["url"], sha, ("features.0.w", "classifier"), "")
    monkeypatch.setitem(BACKBONES, "net", whole)
    assert load_backbone("net").keys() == {"features.0.weight", "classifier.weight"}
    server["cached"].write_bytes(saved({**STATE, "classifier.weight": torch.ones(5)}))
    with pytest.raises(WeightsError, match="not the expected network"):
        load_backbone("net")


def test_a_cache_that_cannot_be_written_is_said(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="net unavailable"):
        load_backbone("net")


def test_the_folder_of_the_user_comes_first(server, monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "net.pth").write_bytes(saved(STATE))  # another file, the same numbers
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path / "mine"))
    assert load_backbone("net").keys() == STATE.keys()
    assert server["asked"] == 0


@pytest.mark.parametrize(
    "state",
    [
        {**STATE, "features.0.bias": torch.zeros(3)},
        {"features.0.weight": STATE["features.0.weight"]},
        {**STATE, "features.1.bias": torch.zeros(3)},
        {"features.0.weight": STATE["features.0.weight"].T, "features.0.bias": torch.ones(3)},
    ],
    ids=["value", "missing", "more", "shape"],
)
def test_other_numbers_are_refused(server, monkeypatch, tmp_path, state):
    (tmp_path / "net.pth").write_bytes(saved(state))
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="not the expected network"):
        load_backbone("net")


@pytest.mark.parametrize("data", [b"", b"no pickle", saved([1, 2]), saved({"features.0": "text"})])
def test_a_file_that_is_no_network_is_said(server, monkeypatch, tmp_path, data):
    (tmp_path / "net.pth").write_bytes(data)
    monkeypatch.setenv("HFX_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"net\.pth"):
        load_backbone("net")


def test_the_digest_knows_names_shapes_and_values_only():
    same = {k: STATE[k].double() for k in reversed(STATE)}
    assert digest_of(same) == digest_of(STATE)
    renamed = {k.replace("0", "1"): v for k, v in STATE.items()}
    assert digest_of(renamed) != digest_of(STATE)
