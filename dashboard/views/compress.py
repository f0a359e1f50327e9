"""The page Compress: a photo in, a small file out, and the picture that comes back from it."""

from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

import hfx
from dashboard import resources, text, work
from dashboard.components import Pane, swipe
from dashboard.work import Measures, Original, Result, Wish

UPLOAD_HELP = (
    f"PNG, JPEG, WebP, AVIF, TIFF or BMP of up to {work.MAX_PIXELS // 1_000_000} megapixels, "
    "or a file this page wrote. It goes to the machine that runs this page and no further."
)


def main() -> None:
    """Lay out the page."""
    st.title("Compress", anchor=False)
    st.markdown("A photo in, a small file out, and the picture that comes back from it.")
    try:
        codec = resources.codec()
    except hfx.WeightsError as error:
        st.error(str(error), icon=":material/error:")
        return
    controls, stage = st.columns([1, 3], gap="large")
    with controls, st.container(key="controls"):
        name, data = choose_subject()
        wish = None if work.is_hfx(name, data) else choose_wish(codec)
        busy = st.empty()  # here, so that the pictures stay where they are meanwhile
    with stage, st.container(key="stage"):
        try:
            if wish is None:
                show_file(codec, name, data, busy)
            else:
                show_photo(codec, name, data, wish, busy)
        except hfx.HfxError as error:
            st.error(str(error), icon=":material/error:")
        except MemoryError:
            st.error("This machine has not enough memory for it.", icon=":material/error:")
    st.divider()
    st.markdown(text.HALLUCINATION)
    st.caption(text.about(codec.weights.about, codec.weights.fingerprint))


# --- controls


def choose_subject() -> tuple[str, bytes]:
    """Return the name and the bytes of the file to work on: an upload, or else a sample."""
    upload = st.file_uploader(
        "Your photo, or an .hfx file", type=[*work.TYPES, "hfx"], key="upload", help=UPLOAD_HELP
    )
    sample = st.selectbox(
        "or a sample",
        list(work.SAMPLES),
        key="sample",
        disabled=upload is not None,
        help="Public-domain photographs that come with scikit-image. "
        "Remove your upload to return to them.",
    )
    if upload is not None:
        return upload.name, upload.getvalue()
    path = work.sample_path(sample)
    return path.name, path.read_bytes()


def choose_wish(codec: hfx.Codec) -> Wish:
    """Return how large or how good the file is to be."""
    by = st.segmented_control(
        "Choose by",
        ["Tier", "Quality", "Size"],
        default="Tier",
        required=True,
        key="by",
        width="stretch",
        help="Three named tiers, any quality between them, or the largest file you can take.",
    )
    if by == "Quality":
        quality = st.slider(
            "Quality", 0, 100, 50, key="quality", help="low is 20, medium 50, high 80"
        )
        return Wish(quality=float(quality))
    if by == "Size":
        size = st.number_input(
            "At most, in bytes",
            min_value=1,
            value=10_000,
            step=1_000,
            key="target_bytes",
            help="The best file of at most so many bytes. The search codes the picture "
            "about a dozen times.",
        )
        return Wish(target_bytes=int(size))
    tiers = codec.weights.arch.tiers
    tier = st.segmented_control(
        "Tier",
        tiers,
        default="medium" if "medium" in tiers else tiers[0],
        required=True,
        key="tier",
        width="stretch",
        label_visibility="collapsed",
        help="About 0.14, 0.30 and 0.45 bits per pixel.",
    )
    return Wish(tier=tier)


# --- a photo


def show_photo(codec: hfx.Codec, name: str, data: bytes, wish: Wish, busy: DeltaGenerator) -> None:
    """Compress a photo, decode the file, and show both pictures and what they cost."""
    shelf = resources.shelf()
    digest = work.digest_of(data)
    with busy, st.spinner("Reading the picture"):
        original: Original = shelf.get(digest, lambda: work.open_picture(name, data))
    key = (digest, wish, codec.weights.fingerprint)
    with busy, st.spinner("Compressing, and decoding the file"):
        result: Result = shelf.get(key, lambda: work.compress(codec, original, wish))
    swipe(
        [
            Pane(original.png, "Original", f"{name}, the original"),
            Pane(result.png, f"From {len(result.data):,} bytes", f"{name}, as decoded"),
        ],
        (original.width, original.height),
        subject=digest,
        key="compare",
    )
    for note in original.notes:
        st.caption(f":material/info: {note}")
    show_cost(result, original)
    distances = st.empty()
    downloads(result, Path(name).stem)
    with distances:  # the picture is there already; measuring it takes a moment more
        show_distances(result, None)
    with busy, st.spinner("Measuring"):
        network = resources.lpips_network()
        measures: Measures = shelf.get(
            ("measures", *key), lambda: work.measure(original, result, network)
        )
    with distances:
        show_distances(result, measures)


def show_cost(result: Result, original: Original) -> None:
    """Show what the file costs in bytes."""
    size = len(result.data)
    raw = 3 * original.width * original.height
    kind = Path(original.name).suffix.lstrip(".").upper() or "file"
    with st.container(horizontal=True):
        card("File", f"{size:,} B", "Bytes of the .hfx file, header and checksums included.")
        card("Bits per pixel", f"{result.info['bpp']:.3f}", "8 · bytes / pixels, of that file.")
        card(
            "vs. 24 bit",
            text.ratio(raw / size),
            f"Against 3 bytes for each pixel, uncompressed: {raw:,} bytes.",
        )
        card(
            f"vs. the {kind}",
            text.ratio(original.file_bytes / size),
            f"Against {original.name} as it came: {original.file_bytes:,} bytes.",
        )


def show_distances(result: Result, measures: Measures | None) -> None:
    """Show how far the reconstruction is from the original (None: not known yet), and the time."""
    psnr, ssim, lpips = ["…"] * 3
    if measures:
        psnr = text.number(measures.psnr, 2, " dB")
        ssim, lpips = text.number(measures.ssim, 4), text.number(measures.lpips, 4)
    with st.container():
        with st.container(horizontal=True):
            card("PSNR", psnr, "Fidelity pixel by pixel; higher is closer.")
            card("SSIM", ssim, "Likeness of local structure; 1 is equal.")
            card(
                "LPIPS",
                lpips,
                "Distance in the features of a network (AlexNet), weighted after people's "
                "judgements; lower is closer.",
            )
            card("Encode", f"{result.encode_seconds:.2f} s", "From pixels to the file's bytes.")
            card("Decode", f"{result.decode_seconds:.2f} s", "From the file's bytes to pixels.")
        if measures and measures.why_no_lpips:
            st.caption(f":material/info: LPIPS unavailable: {measures.why_no_lpips}")


# --- an .hfx file


def show_file(codec: hfx.Codec, name: str, data: bytes, busy: DeltaGenerator) -> None:
    """Decode a `.hfx` file and say what it holds."""
    digest = work.digest_of(data)
    with busy, st.spinner("Decoding"):
        result: Result = resources.shelf().get(
            (digest, codec.weights.fingerprint), lambda: work.decode(codec, data)
        )
    info = result.info
    swipe(
        [Pane(result.png, f"From {len(data):,} bytes", f"The picture in {name}")],
        (info["width"], info["height"]),
        subject=digest,
        key="decoded",
    )
    with st.container(horizontal=True):
        card("Picture", f"{info['width']} × {info['height']}", f"Pixels; mode {info['mode']}.")
        card("File", f"{info['bytes']:,} B", "Bytes of the .hfx file.")
        card("Bits per pixel", f"{info['bpp']:.3f}", "8 · bytes / pixels.")
        card("Quality", f"{info['quality']:g}", "0 to 100; low is 20, medium 50, high 80.")
        card("Decode", f"{result.decode_seconds:.2f} s", "From the bytes of the file to pixels.")
    st.caption(
        f"Format {info['version']}, written with weights `{info['model']}`, neighbour model "
        f"{info['neighbours']}. Bytes: {text.chunks(info)}."
    )
    downloads(result, Path(name).stem, file_too=False)


# --- both


def card(label: str, value: str, help_text: str) -> None:
    """Show one number."""
    st.metric(label, value, help=help_text, border=True)


def downloads(result: Result, stem: str, file_too: bool = True) -> None:
    """Offer the file and the picture decoded from it."""
    with st.container(horizontal=True):
        if file_too:
            st.download_button(
                f"{stem}.hfx",
                result.data,
                f"{stem}.hfx",
                "application/octet-stream",
                key="get_hfx",
                on_click="ignore",
                type="primary",
                icon=":material/download:",
                help="The compressed file. Upload it here, or `hfx decompress` it anywhere.",
            )
        st.download_button(
            f"{stem}.png, decoded",
            result.png,
            f"{stem}.png",
            "image/png",
            key="get_png",
            on_click="ignore",
            icon=":material/download:",
            help="The reconstruction, without further loss.",
        )


if __name__ == "__main__":
    main()
