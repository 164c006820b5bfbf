"""The style of a page: light and dark, on a phone and on paper."""

from typing import Final

STYLE: Final = """
:root{--ink:#1c2024;--muted:#56606b;--grid:#d5dbe1;--paper:#fff;--soft:#f3f5f7;
--positive:#b3470b;--negative:#1f5fa8;--accent:#5b3fa6;--alarm:#a3161f}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--muted:#a9b1bb;--grid:#3a4048;
--paper:#14171a;--soft:#1f2429;--positive:#f0a05f;--negative:#7db4f0;--accent:#b9a3f5;
--alarm:#ff8f8f}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--paper);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0}
h2{font-size:1.3rem;margin:2.2rem 0 .5rem;border-bottom:1px solid var(--grid)}
h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
p{margin:.5rem 0;max-width:46rem}
.note{color:var(--muted);font-size:.92rem}
.problem{border:3px solid var(--alarm);padding:.3rem 1rem;margin:1rem 0}
.problem h2{color:var(--alarm);border:0;margin:.5rem 0}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;padding:0;margin:.8rem 0;list-style:none}
a{color:var(--accent)}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:.5rem 1.5rem;margin:0}
dt{color:var(--muted);font-size:.88rem}
dd{margin:0;font-weight:600}
.scroll{overflow-x:auto;margin:.8rem 0}
table{border-collapse:collapse;font-size:.9rem;min-width:100%}
caption{text-align:left;color:var(--muted);padding:.2rem 0}
th,td{text-align:left;overflow-wrap:break-word;vertical-align:top;padding:.25rem .6rem .25rem 0;
border-bottom:1px solid var(--grid);font-weight:400;unicode-bidi:isolate}
thead th{color:var(--muted);font-size:.85rem;vertical-align:bottom}
tbody th{max-width:14rem;font-weight:600}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.bar{display:block;width:100%;min-width:6rem;height:1.3rem}
.up{fill:var(--positive)}.down{fill:var(--negative)}.zero{stroke:var(--muted)}
.key{color:var(--positive);font-weight:600}.key.down{color:var(--negative)}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(17.5rem,1fr));gap:1rem}
figure{margin:0;break-inside:avoid}
figcaption{font-weight:600}
.curve{display:block;width:100%;max-width:26rem}
.curve text{fill:var(--muted);font-size:11px;font-family:inherit}
.curve .line{fill:none;stroke:var(--accent);stroke-width:2}
.curve .dot{fill:var(--accent)}
.curve .grid{stroke:var(--grid)}
.share{fill:var(--accent)}.track{fill:var(--grid)}
pre{background:var(--soft);padding:.7rem;overflow-x:auto;border-radius:.3rem;font-size:.88rem}
pre code{-webkit-user-select:all;user-select:all}
.digest{font-family:monospace;font-size:.8rem;overflow-wrap:anywhere}
summary{cursor:pointer;padding:.4rem 0}
.compact{font-size:.8rem}
:focus-visible{outline:3px solid var(--accent)}
@page{margin:15mm}
@media print{body{max-width:none;padding:0;font-size:10pt}nav{display:none}
.scroll,pre{overflow:visible}pre{white-space:pre-wrap}tr,figure,h2,h3{break-inside:avoid}
h2,h3{break-after:avoid}
:root{--ink:#000;--muted:#444;--grid:#bbb;--paper:#fff;--soft:#f3f3f3;--positive:#b3470b;
--negative:#1f5fa8;--accent:#5b3fa6;--alarm:#a3161f}}
"""
