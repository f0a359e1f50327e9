"""The dashboard's own components, without Streamlit around them."""

import pytest

pytest.importorskip("streamlit", reason="the dashboard's extra is not installed")

from dashboard.components import asset  # noqa: E402

expect = pytest.importorskip("playwright.sync_api", reason="it drives Chromium").expect
pytestmark = pytest.mark.slow

DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SHOW = """async ({ script, html, given }) => {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: show } = await import(url);
  const parentElement = document.createElement("div");
  parentElement.innerHTML = html;
  document.body.replaceChildren(parentElement);
  for (const data of given) show({ parentElement, data });
}"""


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (2, 1, 3, 2)], ids=str)
def test_the_latest_wins_in_whatever_order_they_come(page, order):
    """Streamlit fetches a script anew for each change, and does not keep their order."""

    def of(at):
        pictures = [{"url": DOT, "label": f"{side}{at}", "alt": f"{side} {at}"} for side in "ab"]
        return {"at": at, "subject": "", "width": 1, "height": 1, "pictures": pictures}

    script = "".join(map(asset, ("order.js", "lens.js", "hands.js", "swipe.js")))
    page.evaluate(
        SHOW, {"script": script, "html": asset("swipe.html"), "given": [of(at) for at in order]}
    )
    expect(page.locator(".chip.left")).to_have_text(f"a{max(order)}")
    expect(page.locator(".layer.right img")).to_have_attribute("alt", f"b {max(order)}")
