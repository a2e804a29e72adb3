"""A page on which people say, without knowing which is which, which of two pictures looks better."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from pathlib import Path

import cv2

from ..types import U8

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Which face looks more real?</title>
<style>
body {{ font: 16px system-ui, sans-serif; background: #16181d; color: #eee; text-align: center; margin: 24px }}
img {{ width: min(44vw, 480px); border-radius: 8px; cursor: pointer; margin: 8px }}
img:focus, img:hover {{ outline: 3px solid #6aa9ff }}
button, a {{ font: inherit; padding: 8px 20px; border-radius: 8px;
  border: 1px solid #666; background: #262a33; color: #eee }}
</style>
<h1>Which face looks more real?</h1>
<p id="count"></p>
<div id="pair"></div>
<p><button id="same">No difference</button></p>
<p><a id="save" download="votes.json" hidden>Save the votes</a></p>
<script>
const pairs = {pairs};
const votes = [];
function show() {{
  const k = votes.length, box = document.getElementById("pair");
  box.replaceChildren();
  document.getElementById("count").textContent = k < pairs.length ? `${{k + 1}} of ${{pairs.length}}` : "Thank you.";
  document.getElementById("same").hidden = k >= pairs.length;
  if (k >= pairs.length) {{
    const link = document.getElementById("save");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(votes)], {{type: "application/json"}}));
    link.hidden = false;
    return;
  }}
  for (const [name, data] of pairs[k]) {{
    const image = new Image();
    image.src = "data:image/png;base64," + data;
    image.alt = "one of the two faces";
    image.tabIndex = 0;
    image.onclick = () => vote(name);
    image.onkeydown = event => {{ if (event.key === "Enter") vote(name); }};
    box.append(image);
  }}
}}
function vote(name) {{ votes.push({{pair: votes.length, better: name}}); show(); }}
document.getElementById("same").onclick = () => vote("same");
show();
</script>
</html>
"""


def write_page(path: Path, pairs: Sequence[dict[str, U8]], seed: int = 1) -> None:
    """Write one HTML file that needs no network: pairs of pictures (H, W, 3) by name, each pair in random order.

    The votes (which name was better, or "same") are saved by the visitor as votes.json.
    """
    rng = random.Random(seed)
    shown = []
    for pair in pairs:
        sides = [[name, base64.b64encode(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()).decode()]
                 for name, image in pair.items()]
        rng.shuffle(sides)
        shown.append(sides)
    path.write_text(_PAGE.format(pairs=json.dumps(shown)), encoding="utf-8")
