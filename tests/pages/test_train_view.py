"""The page "Train lab", without a browser and without training: AppTest and made-up runs."""

import base64
from pathlib import Path
from urllib.parse import parse_qsl, urlparse

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")
pytest.importorskip("skimage", reason="the photographs come with scikit-image")

import streamlit as st  # noqa: E402
from labs import heard, made, png, pretended, settled  # noqa: E402
from streamlit.testing.v1 import AppTest  # noqa: E402

from dashboard import train_controls, train_room  # noqa: E402
from hfx.lab import keeper as module  # noqa: E402
from hfx.lab.folder import DONE, FAILED, PAUSED, RUNNING, WAITING, runs_in  # noqa: E402
from hfx.lab.scenarios import SCENARIOS  # noqa: E402
from hfx.lab.settings import Settings  # noqa: E402

PAGE = Path(__file__).parents[2] / "dashboard" / "views" / "train.py"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Where runs lie; nothing is trained there, and LPIPS is at hand."""
    lab, networks = tmp_path / "lab", tmp_path / "weights"
    networks.mkdir()
    (networks / "alexnet_features.pth").touch()  # looked for, not loaded
    monkeypatch.setenv("HFX_WEIGHTS", str(networks))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HFX_LAB", str(lab))
    monkeypatch.setattr(module, "process_of", pretended)
    st.cache_resource.clear()
    yield lab
    train_room.keeper().close()
    st.cache_resource.clear()


@pytest.fixture
def app(root):
    """Open the page at an address."""

    def opened(**query):
        app = AppTest.from_file(PAGE, default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        return fine(app.run())

    return opened


def fine(app):
    assert not app.exception and not app.error
    return app


def progress(app):
    return app.get("progress")[0].proto.text


def told(app):
    return " ".join(caption.value for caption in app.caption)


def charts(app):
    return [one.value.strip("*") for one in app.markdown if one.value.startswith("**")]


# --- a first visit, and a run


def test_without_runs_it_says_what_to_do(app):
    page = app()
    assert "Press **Start**" in page.info[0].value
    assert not page.button(key="begin").disabled
    assert len(train_room.thumbnails()) == 9


def test_a_run_starts_pauses_steps_and_goes_on(app, root):
    page = app()
    fine(page.button(key="begin").click().run())
    (run,) = runs_in(root)
    assert run.settings == Settings() and run.title == "a plain run"
    minder = train_room.keeper()
    settled(minder, run, RUNNING)
    fine(page.run())
    assert progress(page).startswith("Training: step 1 of 400")
    assert "is training" in told(page) and page.button(key="step").disabled
    fine(page.button(key="pause").click().run())
    settled(minder, run, PAUSED)
    fine(page.run())
    assert progress(page).startswith("Paused at step 2")
    fine(page.button(key="step").click().run())
    settled(minder, run, PAUSED)
    fine(page.run())
    fine(page.button(key="resume").click().run())
    settled(minder, run, RUNNING)
    assert heard(run) == ["run", "pause", "step", "run"]


def test_a_second_run_waits_and_says_so(app, root):
    page = app()
    page.button(key="begin").click().run()
    settled(train_room.keeper(), runs_in(root)[0], RUNNING)
    fine(page.button(key="begin").click().run())
    second = runs_in(root)[0]
    assert second.state.name == WAITING and page.selectbox(key="run").value == second.id
    assert progress(page) == "Waits: it is next"
    assert "1 more wait" in told(page)
    fine(page.button(key="pause").click().run())  # it does not want to wait
    assert second.state.name == PAUSED


def test_what_cannot_be_started_is_said(app, root, monkeypatch):
    monkeypatch.setattr("hfx.lab.folder.MOST", 0)
    page = app()
    page.button(key="begin").click().run()
    assert "delete some" in page.error[0].value


# --- settings and links


def test_a_scenario_fills_the_controls(app, root):
    page = app()
    for one in SCENARIOS:
        page.selectbox(key="try").set_value(one.name).run()
        fine(page)
        assert one.watch in told(page)
        settings, _, problem = chosen(page)
        assert not problem and settings == one.settings
    page.button(key="begin").click().run()
    assert runs_in(root)[0].title == SCENARIOS[-1].name


def chosen(page):
    """What the page would start with."""
    found = page.session_state
    names = train_room.KEYS
    values = {name: found[key] for name, key in names.items()}
    return Settings(**values), None, ""


def test_every_control_offers_the_plain_value_and_the_scenarios():
    offered = {
        "r_t": train_controls.RATES, "zeta_a": train_controls.ZETAS,
        "zeta_b": train_controls.ZETAS, "k_M": train_controls.K_MS, "k_P": train_controls.K_PS,
        "alpha": train_controls.ALPHAS, "lr": train_controls.LRS, "steps": train_controls.STEPS,
    }  # fmt: skip
    for one in SCENARIOS:
        for name, options in offered.items():
            assert getattr(one.settings, name) in options
    assert all(list(options) == sorted(options) for options in offered.values())


def test_a_link_carries_all_settings(app, root):
    how = Settings(
        stage=2, r_t=0.3, zeta_a=4.0, zeta_b=0.5, k_M=0.0046, k_P=2.0, alpha=5.0,
        norm="instance", width=16, lr=0.002, crop=128, batch=2, steps=800, seed=11,
    )  # fmt: skip
    link = train_controls.link_of("http://127.0.0.1:8501/train?run=0007", how)
    assert link.startswith("http://127.0.0.1:8501/train?") and "run=" not in link
    page = app(**dict(parse_qsl(urlparse(link).query)))
    assert "G learns against D" in told(page)
    page.button(key="begin").click().run()
    second, first = runs_in(root)
    assert second.settings == how and second.start == first.id
    assert progress(page).startswith("Waits for its stage 1, run 1: step ")
    assert first.settings == how.first


def test_a_link_with_nonsense_is_a_plain_run(app, root):
    page = app(lr="fast", width="-3", norm="magic", crop="100", from_run="0099", run="0099")
    page.button(key="begin").click().run()
    assert runs_in(root)[0].settings == Settings()


def test_settings_that_contradict_each_other_are_said_before_the_start(app):
    page = app(zeta_a="0.1", zeta_b="1")
    assert "ζ(a) must not be below ζ(b)" in told(page)
    assert page.button(key="begin").disabled


def test_without_lpips_k_p_is_0_and_the_page_says_why(app, root, monkeypatch):
    monkeypatch.setenv("HFX_WEIGHTS", str(root))
    page = app()
    assert "LPIPS needs AlexNet's features" in told(page)
    assert page.select_slider(key="k_P").disabled
    page.button(key="begin").click().run()
    (run,) = runs_in(root)
    assert run.settings.k_P == 0 and run.title == "a plain run"


def test_stage_2_starts_from_a_finished_run(app, root):
    first = made(root, "narrow", Settings(width=8, norm="none"))
    made(root, "half", Settings(), name=PAUSED)
    page = app(train_stage="2")
    options = page.selectbox(key="from_run").options
    assert len(options) == 2 and "short stage 1" in options[0] and "narrow" in options[1]
    page.selectbox(key="from_run").set_value(first.id).run()
    assert "width 8" in told(page)
    page.button(key="begin").click().run()
    run = runs_in(root)[0]
    assert (run.start, run.settings.width, run.settings.norm) == (first.id, 8, "none")


def test_a_run_s_settings_come_back_into_the_controls(app, root):
    made(root, "wide", Settings(width=48, lr=0.02, seed=5))
    page = app()
    assert page.number_input(key="seed").value == 0
    page.button(key="refill").click().run()
    fine(page)
    assert chosen(page)[0] == Settings(width=48, lr=0.02, seed=5)
    assert "seed=5" in page.code[0].value and "lr=0.02" in page.code[0].value


# --- what a run shows


def test_a_finished_run_shows_its_curves_and_its_picture(app, root):
    made(root)
    page = app()
    assert progress(page).startswith("Done: 60 steps")
    assert page.button(key="resume").disabled
    assert [c for c in charts(page) if "Loss" in c or "Rate" in c or "Norms" in c]
    assert not any("D's scores" in c for c in charts(page))
    shots = [one.proto.body for one in page.get("html")]
    assert len(shots) == 4
    assert "original" in shots[0] and "now, step 60: 0.26 bpp, 25.6 dB" in shots[-1]
    assert base64.b64encode(png(60)).decode() in shots[-1]


def test_stage_2_shows_d_s_scores_and_steps_by_phase(app, root):
    made(root, "gan", Settings(stage=2), name=PAUSED)
    page = app()
    assert any("D's scores" in c for c in charts(page))
    run = runs_in(root)[0]
    for word in "DG":
        page.button(key=f"step_{word}").click().run()
        fine(page)
        settled(train_room.keeper(), run, PAUSED)
        page.run()
    assert heard(run) == ["D", "G"]


def test_a_run_that_diverged_says_so(app, root):
    made(root, "hot", Settings(lr=0.3), name=FAILED, reason="diverged by step 50: PSNR fell")
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not page.exception
    assert page.error[0].value == "diverged by step 50: PSNR fell."
    assert page.button(key="resume").disabled


def test_a_link_names_the_run_to_show(app, root):
    for title in "abc":
        made(root, title)
    assert app().selectbox(key="run").value == "0003"
    assert app(run="0002").selectbox(key="run").value == "0002"


# --- several runs


def test_runs_are_compared_by_what_differs(app, root):
    made(root, "plain", steps=50)
    made(root, "fast", Settings(lr=0.02, seed=3))
    page = app(beside="0001")
    (table,) = page.table
    rows = table.value
    assert list(rows["run"]) == ["2: fast", "1: plain"]
    assert list(rows["learning rate"]) == ["0.02", "0.004"]
    assert "crop" not in rows.columns and list(rows["is"]) == [DONE, DONE]
    assert list(rows["PSNR"]) == ["25.60 dB", "25.50 dB"]
    assert list(rows["at"]) == ["0.260 bpp", "0.250 bpp"]


def test_a_run_is_deleted_once_that_is_confirmed(app, root):
    made(root, "a")
    made(root, "b")
    page = app(beside="0001")
    page.selectbox(key="run").set_value("0001").run()
    page.button(key="remove").click().run()
    fine(page)
    assert [run.id for run in runs_in(root)] == ["0002"]
    assert page.selectbox(key="run").value == "0002"


def test_the_strip_is_denser_where_more_happens():
    shots = [0, 1, 2, 5, *range(10, 401, 10)]
    assert train_room.strip_of(shots) == [0, 20, 400]
    assert train_room.strip_of(shots, 4)[0] == 0 and train_room.strip_of(shots, 4)[-1] == 400
    assert train_room.strip_of([0, 1]) == [0, 1] and train_room.strip_of([]) == []


def test_a_figure_holds_its_picture_and_what_a_screen_reader_says():
    shown = train_room.figure(b"png", 'step 1 <"&', "A face")
    assert base64.b64encode(b"png").decode() in shown
    assert "<figcaption>step 1 &lt;" in shown and 'alt="A face: step 1 &lt;&quot;' in shown
