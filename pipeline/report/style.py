"""How the page looks: one style sheet, light and dark, screen and paper."""

STYLE = """
:root { color-scheme: light dark; --ground: #faf9f6; --card: #ffffff; --ink: #20242a; --quiet: #6a7077; --line: #dedbd3;
  --ok: #cfe3d6; --ok-ink: #2f6e4f; --bad: #c0332b; --bad-soft: #f9e3e0; --gap: #c98a1b; --gap-soft: #f8ecd2;
  --truth: #2b62a8; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1c2024; --ink: #e9e6df; --quiet: #969ca3;
  --line: #343a40; --ok: #24483a; --ok-ink: #84c9a4; --bad: #f2776e; --bad-soft: #45211f; --gap: #e3ad4c;
  --gap-soft: #40331a; --truth: #7fb2f0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", sans-serif; }
a { color: var(--truth); }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 19px; margin: 44px 0 12px; }
p.lead { color: var(--quiet); margin: 4px 0 20px; }
.note { color: var(--quiet); font-size: 13.5px; }
.warn { border-left: 5px solid var(--gap); background: var(--gap-soft); padding: 10px 14px; margin: 10px 0;
  border-radius: 4px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(148px, 1fr)); gap: 10px; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
.figure b { display: block; font-size: 25px; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; }
.figure span { color: var(--quiet); font-size: 13px; }
.figure.bad b { color: var(--bad); } .figure.gap b { color: var(--gap); } .figure.ok b { color: var(--ok-ink); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--quiet); font-weight: 500; font-size: 13px; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.n, th.n { text-align: right; }
code, .sha { font: 12.5px/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.panel { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px; }
.panel + .panel { margin-top: 10px; }
.picture { width: 100%; max-width: 900px; height: auto; display: block; margin: 0 auto; background: #fff; }
.defects { display: grid; grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); gap: 12px; }
.defect { background: var(--card); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.defect:target { outline: 3px solid var(--bad); }
.defect .pictures { display: grid; grid-template-columns: 1fr 1fr; gap: 2px; background: var(--line); height: 154px; }
.defect .pictures > * { background: var(--ground); min-width: 0; height: 154px; display: grid; place-items: center;
  color: var(--quiet); font-size: 13px; }
.defect .pictures > div:only-child { grid-column: 1 / 3; }
.defect .pictures img { width: 100%; object-fit: contain; display: block; cursor: zoom-in; }
.defect .pictures img:focus { position: fixed; inset: 0; z-index: 1; width: 100%; height: 100%; padding: 20px;
  cursor: zoom-out; }
.defect .text { padding: 9px 12px 11px; font-size: 13.5px; color: var(--quiet); }
.defect .text b { color: var(--ink); font-size: 15px; }
.tag { float: right; border-radius: 20px; padding: 1px 9px; font-size: 12px; font-weight: 600; background: var(--ok);
  color: var(--ok-ink); }
.tag.false { background: var(--bad-soft); color: var(--bad); }
.bar { height: 8px; border-radius: 4px; background: var(--line); margin: 6px 0 2px; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--bad); }
details { margin: 8px 0; } summary { cursor: pointer; color: var(--quiet); }
pre { font: 12.5px/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-x: auto; background: var(--card);
  border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; }
@media (max-width: 560px) { main { padding: 18px 12px 40px; } h1 { font-size: 23px; } .figure b { font-size: 20px; }
  .figures { grid-template-columns: 1fr 1fr; } .panel { padding: 8px 4px; } }
@media print { body { background: #fff; font-size: 11px; } main { max-width: none; padding: 0; }
  .defect, .figure, tr, svg { break-inside: avoid; } details > * { display: block; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
