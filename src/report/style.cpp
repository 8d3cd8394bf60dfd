// style.cpp — the style sheet. Colours by Okabe and Ito (2008), told apart by every kind of colour vision; lighter ones on dark.
#include "report/sections.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::string style() {
  return R"css(:root{
--page:#f6f7f9;--panel:#fff;--edge:#e3e6eb;--ink:#171b22;--quiet:#5b6472;--grid:#eceef2;--accent:#0068a8;--track:#e8ebf0;
--c1:#0072b2;--c2:#d55e00;--c3:#008060;--c4:#a8518a;
--good-ink:#00523c;--good:#d7f0e6;--near-ink:#00487a;--near:#dcecf8;--far-ink:#7d3a00;--far:#fbe6d3;--held-ink:#4d2a66;--held:#eee3f6;--bar:#c7e0f2;--bar-right:#a5dcc6;
}
@media (prefers-color-scheme:dark){:root{
--page:#111419;--panel:#191d24;--edge:#2a303a;--ink:#e9ecf1;--quiet:#9aa4b2;--grid:#262b34;--accent:#6bb8ee;--track:#252b35;
--c1:#5cb8f0;--c2:#f39a4a;--c3:#3fc99b;--c4:#e296c4;
--good-ink:#a4ecd0;--good:#12402f;--near-ink:#b2dcfa;--near:#163a55;--far-ink:#fbcfa4;--far:#4b2d13;--held-ink:#e3cdf6;--held:#3a2850;--bar:#1f4763;--bar-right:#1c5a45;
}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:40px 28px 72px}
h1{font-size:clamp(1.7rem,4vw,2.5rem);line-height:1.15;letter-spacing:-.02em;margin:0;overflow-wrap:anywhere}
h2{font-size:1.35rem;line-height:1.25;letter-spacing:-.01em;margin:0 0 4px}
p,ul,ol,dl,dd,figure,pre{margin:0;padding:0}
ul,ol{list-style:none}
section{margin-top:52px;scroll-margin-top:16px}
.intro{color:var(--quiet);max-width:84ch;margin-bottom:16px;text-wrap:pretty}
h3{font-size:1rem;margin:20px 0 10px}
.intro+h3{margin-top:0}
h2+:not(.intro){margin-top:14px}
.quiet,.note{color:var(--quiet)}
.note{font-size:.8rem}
.panel,.chart{background:var(--panel);border:1px solid var(--edge);border-radius:12px}
.kicker{color:var(--accent);font-size:.85rem;font-weight:600;letter-spacing:.04em;margin-bottom:6px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:24px}
.facts div{padding:14px 16px;display:flex;flex-direction:column;justify-content:space-between}
.facts dt{line-height:1.35}
.facts dt{color:var(--quiet);font-size:.8rem}
.facts dd{font-size:1.45rem;font-weight:650;line-height:1.25;letter-spacing:-.01em;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:22px;font-size:.9rem}
a{color:var(--accent);text-decoration:none}
a:hover{text-decoration:underline}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));gap:16px}
.charts>.chart:only-child{max-width:640px}
.charts:not(.three)>.chart:nth-child(odd):last-child:has(table){grid-column:1/-1}
.charts.three{grid-template-columns:repeat(auto-fill,minmax(min(100%,320px),1fr))}
.chart{padding:16px 18px 12px;display:flex;flex-direction:column;min-width:0}
.chart>svg{margin-top:auto}
figcaption{font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:.82rem;color:var(--quiet);margin:2px 0 8px}
.legend b{color:var(--ink);font-variant-numeric:tabular-nums}
.key{width:22px;height:10px;margin-right:6px;vertical-align:baseline}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.key{display:inline-block}
svg text{fill:var(--quiet);font-size:12.5px;font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid)}
.axis{stroke:var(--quiet);stroke-opacity:.55}
.line{fill:none;stroke:currentColor;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}
.line.dashed{stroke-dasharray:5 5}
.line.faint{stroke-width:1.3;opacity:.32}
.dot{fill:currentColor}
.hit{fill:transparent}
.hit:hover{fill:var(--accent);fill-opacity:.35}
.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}
table{width:100%;border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums;font-size:.92rem}
caption{text-align:left;font-weight:600;padding:0 0 10px}
th,td{white-space:nowrap;padding:10px 0 10px 12px;text-align:right;border-bottom:1px solid var(--edge)}
tbody tr:last-child>*{border-bottom:0}
thead th{color:var(--quiet);font-size:.8rem;font-weight:500;border-bottom:1px solid var(--edge)!important}
th:first-child{text-align:left;padding-left:0;font-weight:600}
th .quiet{font-weight:400;margin-left:4px;white-space:nowrap}
.matrix-layout{display:grid;grid-template-columns:minmax(0,1fr) 290px;gap:28px;padding:18px 20px;align-items:end}
.scroll{overflow-x:auto}
.matrix{overflow:hidden}
.matrix text{font-size:11px}
.matrix image,.pixels{image-rendering:pixelated}
.right{stroke:var(--ink);stroke-width:1.6}
.heat-none{fill:var(--far)}
.reading dl{display:grid;gap:6px;margin-bottom:16px}
.reading dl div{display:flex;justify-content:space-between;border-bottom:1px solid var(--edge);padding-bottom:6px}
.reading dt{color:var(--quiet)}
.reading dd{font-weight:650;font-variant-numeric:tabular-nums}
.reading p{font-size:.88rem;color:var(--quiet)}
.scale{margin:16px 0 2px}
.scale text{font-size:11.5px}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:16px}
.card{padding:16px;min-width:0}
.card header{display:flex;gap:14px;align-items:center}
img{display:block;border-radius:6px;background:#fff;flex:none}
.query{min-width:0;font-weight:600;line-height:1.3;overflow-wrap:anywhere}
.chips{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0}
.chip{font-size:.75rem;font-weight:600;line-height:1.3;padding:3px 9px;border-radius:99px}
.good{background:var(--good);color:var(--good-ink)}.near{background:var(--near);color:var(--near-ink)}.far{background:var(--far);color:var(--far-ink)}
.held{background:var(--held);color:var(--held-ink)}
.by-image li{position:relative;display:flex;gap:10px;align-items:baseline;justify-content:space-between;padding:4px 9px;margin-top:4px;font-size:.88rem;line-height:1.35;border-radius:6px;background:var(--track);overflow:hidden}
.bar{position:absolute;inset:0}
.bar i{display:block;height:100%;background:var(--bar)}
.card li.right .bar i{background:var(--bar-right)}
.words,.score{position:relative}
.words{overflow-wrap:anywhere;min-width:0}
.card li.right .words{font-weight:650}
.score{font-variant-numeric:tabular-nums;font-size:.85rem;flex:none}
.mark{color:var(--good-ink);font-weight:700;margin-right:5px}
.by-text ol{display:grid;grid-template-columns:repeat(5,minmax(0,1fr));gap:6px}
.by-text li{position:relative;text-align:center;padding:4px 2px;border-radius:8px;border:2px solid transparent}
.by-text li.right{border-color:var(--c3);background:var(--good)}
.by-text .score{position:static;font-size:.8rem}
.by-text .mark{position:absolute;top:-9px;right:-7px;width:20px;height:20px;margin:0;border-radius:50%;font-size:.75rem;line-height:20px;color:var(--panel);background:var(--c3)}
.by-text li.right .score{font-weight:650;color:var(--good-ink)}
.by-text li img{margin:0 auto 4px;max-width:100%;height:auto}
.missed{display:flex;align-items:center;gap:8px;margin-top:10px;color:var(--quiet);font-size:.85rem}
.more{margin-top:16px}
summary{cursor:pointer;font-weight:600;color:var(--accent);padding:10px 0}
.panel>summary{padding:14px 18px}
.more .gallery{margin-top:8px}
.confusions{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,350px),1fr));gap:12px}
.confusions li{display:flex;gap:14px;align-items:center;padding:12px 14px}
.confusions dl{flex:1;min-width:0;font-size:.9rem;line-height:1.35}
.confusions dl div{display:grid;grid-template-columns:4.6em minmax(0,1fr) auto;gap:6px;padding:2px 0;align-items:baseline}
.confusions dt{color:var(--quiet);font-size:.8rem}
.confusions dd{overflow-wrap:anywhere}
.confusions .wrong dd{font-weight:650}
pre{font:.85rem/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-x:auto}
details pre{padding:0 18px 16px;max-height:480px}
.command{padding:12px 16px;margin-top:10px;user-select:all;-webkit-user-select:all;cursor:pointer}
@media (max-width:900px){.matrix-layout{grid-template-columns:minmax(0,1fr)}.reading{max-width:440px}}
@media (max-width:600px){
main{padding:24px 16px 48px}
section{margin-top:40px}
.facts{grid-template-columns:1fr 1fr;gap:10px}
.facts dd{font-size:1.2rem}
.chart{padding:14px 12px 10px}
svg.wide text{font-size:18px}
table{font-size:.85rem}
th,td{padding:8px 0 8px 6px}
thead th{white-space:normal;vertical-align:bottom}
th .quiet{display:block;margin-left:0}
.matrix-layout{padding:14px 12px}
}
@media print{body{background:#fff}.panel,.chart,table{break-inside:avoid}}
)css";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
