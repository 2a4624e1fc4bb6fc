"""The page's style sheet: readable on a screen in both themes, and on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{--bg:#fbfbf9;--panel:#fff;--ink:#1c2126;--soft:#5b6670;--line:#dcdfdd;--fixed:#8794a0;
--explained:#3f7fbf;--unexplained:#c8402f;--opaque:#8a5fb0;--kept:#2f8f5b;--tried:#d9962b;
--held:#2f8f5b;--broken:#c8402f;--untold:#b37a12;
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
@media(prefers-color-scheme:dark){:root{--bg:#14181c;--panel:#1b2026;--ink:#e4e8ea;--soft:#9aa6b0;
--line:#2e363d;--fixed:#7d8a95;--explained:#5b9bd8;--unexplained:#e8665a;--opaque:#ab86cc;
--kept:#57b783;--tried:#e0a848;--held:#57b783;--broken:#e8665a;--untold:#e0a848}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink)}
main{max-width:66rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.05rem;font-weight:600;margin:0;color:var(--soft)}
h2{font-size:1.15rem;margin:2.6rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--line)}
h3{font-size:.95rem;margin:1.4rem 0 .3rem}
p{margin:.4rem 0;max-width:48rem}
.verdict{font-size:2.6rem;font-weight:700;line-height:1.1;margin:.3rem 0 .7rem}
.held{color:var(--held)}.broken{color:var(--broken)}.untold{color:var(--untold)}
ul.reasons{margin:.2rem 0 1rem;padding-left:1.2rem}
.numbers{display:grid;grid-template-columns:repeat(auto-fit,minmax(14rem,1fr));gap:.8rem;
margin:1.2rem 0}
.numbers a{display:block;background:var(--panel);border:1px solid var(--line);border-radius:6px;
padding:.8rem 1rem;color:inherit;text-decoration:none}
.numbers a:hover,.numbers a:focus{border-color:var(--explained)}
.numbers b{display:block;font-size:1.6rem;font-variant-numeric:tabular-nums}
.numbers span{color:var(--soft);font-size:.86rem}
a{color:var(--explained)}
nav{font-size:.88rem;color:var(--soft);margin:.8rem 0}
nav a{margin-right:.9rem;white-space:nowrap}
figure{margin:.8rem 0;background:var(--panel);border:1px solid var(--line);border-radius:6px;
padding:.8rem}
figcaption{color:var(--soft);font-size:.86rem;margin-top:.4rem}
svg{display:block;width:100%;height:auto}
svg text{fill:var(--ink);font-size:12px}
svg .soft{fill:var(--soft)}
.key{display:inline-flex;gap:1rem;flex-wrap:wrap;font-size:.86rem;color:var(--soft)}
.key i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.35rem;
vertical-align:-1px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.87rem;margin:.5rem 0}
th,td{text-align:left;padding:.28rem .6rem .28rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code,.hex{font-family:ui-monospace,"DejaVu Sans Mono","Liberation Mono",monospace;font-size:.82rem;
overflow-wrap:anywhere}
.hex{color:var(--soft)}.t{white-space:nowrap;overflow-wrap:normal}
.weight{white-space:nowrap;font-weight:600}
.breaks{color:var(--broken)}.doubt{color:var(--untold)}.note{color:var(--soft)}
tr:target td{background:color-mix(in srgb,var(--explained) 18%,transparent)}
details>summary{cursor:pointer;color:var(--soft)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem}
@media print{:root{--bg:#fff;--panel:#fff;--ink:#000;--soft:#444;--line:#bbb;font-size:11px}
main{max-width:none;padding:0}h2{break-after:avoid}figure,tr,.numbers a{break-inside:avoid}
nav,.skip{display:none}details::details-content{content-visibility:visible;height:auto}a{color:inherit;text-decoration:none}}
"""
