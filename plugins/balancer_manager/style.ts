/** The manager's style sheet: the colours of states in light and dark, and tables that narrow screens can show. */
export const STYLE = `:root {
  color-scheme: light dark;
  --page: #f6f7f9;
  --card: #ffffff;
  --text: #1b1f24;
  --quiet: #57606a;
  --line: #d0d7de;
  --head: #eef1f4;
  --link: #0550ae;
  --button: #0b5cad;
  --button-text: #ffffff;
  --ok: #1a7f37;
  --error: #c62828;
  --error-back: #fde4e4;
  --draining: #8a6100;
  --draining-back: #fff3c4;
  --disabled: #57606a;
  --disabled-back: #e6e8eb;
  --standby: #0550ae;
  --standby-back: #ddebfb;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1318;
    --card: #171c23;
    --text: #e6e9ed;
    --quiet: #a3adb8;
    --line: #343c46;
    --head: #212831;
    --link: #8ac0ff;
    --button: #2f72c4;
    --ok: #5bd075;
    --error: #ff8f8a;
    --error-back: #4a1d1f;
    --draining: #f2cc60;
    --draining-back: #423510;
    --disabled: #aab3bd;
    --disabled-back: #2b313a;
    --standby: #8ac0ff;
    --standby-back: #162f4d;
  }
}
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem 1.25rem 3rem; max-width: 110rem; background: var(--page); color: var(--text); }
a { color: var(--link); }
h1 { font-size: 1.45rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
h3 { font-size: 1.1rem; margin: 0 0 .6rem; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; margin: 0 0 1rem; color: var(--quiet); font-size: .87rem; }
hr { display: none; }
br + table { margin-top: 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem; margin: 0 0 1rem; }
section > br { display: none; }
.scroll { overflow-x: auto; margin: 0 0 .75rem; max-width: 100%; }
table, [role="table"] { border-collapse: collapse; font-size: .87rem; }
[role="table"] { display: table; }
[role="row"] { display: table-row; }
[role="cell"], [role="columnheader"] { display: table-cell; vertical-align: top; }
.caption { margin: .25rem 0; font-weight: 600; }
th, td, [role="cell"], [role="columnheader"] { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; }
th, [role="columnheader"] { background: var(--head); font-weight: 600; white-space: nowrap; }
.members td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.error > * { background: var(--error-back); }
.draining > * { background: var(--draining-back); }
.disabled > * { background: var(--disabled-back); }
.standby > * { background: var(--standby-back); }
tr[data-member] > :first-child, [role="row"][data-member] > :first-child { border-left: 5px solid var(--ok); white-space: nowrap; }
.error > :first-child { border-left-color: var(--error) !important; }
.draining > :first-child { border-left-color: var(--draining) !important; }
.disabled > :first-child { border-left-color: var(--disabled) !important; }
.standby > :first-child { border-left-color: var(--standby) !important; }
.detail [role="cell"]:nth-child(5), .detail [role="cell"]:nth-child(6) { white-space: nowrap; }
.detail [role="cell"]:nth-child(4), .detail [role="cell"]:nth-child(8) { min-width: 15rem; }
.badge { display: inline-block; font-size: .75rem; font-weight: 600; padding: 0 .45rem; border: 1px solid currentColor; border-radius: 1rem; color: var(--ok); }
.error .badge { color: var(--error); }
.draining .badge { color: var(--draining); }
.disabled .badge { color: var(--disabled); }
.standby .badge { color: var(--standby); }
.quiet { color: var(--quiet); }
.error .quiet, .draining .quiet, .disabled .quiet, .standby .quiet { color: inherit; }
.results { font-family: ui-monospace, monospace; letter-spacing: .1em; }
.pass { color: var(--ok); }
.fail { color: var(--error); font-weight: 700; }
.traffic { display: flex; gap: .9rem; }
.spark { display: block; }
.spark svg { width: 90px; height: 22px; display: block; overflow: visible; }
.spark path { fill: none; stroke: var(--link); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.spark.errors path { stroke: var(--error); }
.spark.latency path { stroke: var(--draining); }
.spark span { font-size: .75rem; white-space: nowrap; }
form.edit table { font-size: .9rem; }
form.edit td { border: 0; }
form.edit table table td { border-bottom: 1px solid var(--line); }
form.actions { margin: .5rem 0; display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
form.actions label { display: grid; font-size: .8rem; color: var(--quiet); }
input[type="text"], select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--quiet); border-radius: 5px; padding: .25rem .4rem; max-width: 100%; }
form.actions input[type="text"] { width: 8rem; }
button, input[type="submit"] { font: inherit; min-height: 2.1rem; padding: .2rem .8rem; border: 1px solid var(--quiet); border-radius: 5px; background: var(--head); color: var(--text); cursor: pointer; }
input[type="submit"] { background: var(--button); border-color: var(--button); color: var(--button-text); font-weight: 600; }
a:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 1px; }
pre { background: var(--head); border-radius: 5px; padding: .6rem .8rem; overflow-x: auto; margin: .4rem 0; }
summary { cursor: pointer; }
#live:not(:empty), .notice, .preview:not(:empty) { border-left: 4px solid var(--link); background: var(--head); padding: .4rem .7rem; margin: .6rem 0; border-radius: 0 5px 5px 0; }
.preview:empty { display: none; }
#live { position: sticky; bottom: .5rem; }
#live:empty { margin: 0; }
#elections { list-style: none; padding: 0; margin: 0; max-height: 22rem; overflow-y: auto; font-size: .87rem; }
#elections li { padding: .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
#elections b { color: var(--ok); }
address { color: var(--quiet); font-size: .8rem; }
@media (max-width: 45rem) {
  body { padding: .75rem .5rem 2rem; }
  section { padding: .75rem .6rem; }
  form.edit > table, form.edit > table > tbody, form.edit > table > tbody > tr, form.edit > table > tbody > tr > td { display: block; }
  form.edit { overflow-x: auto; }
}
@media (prefers-reduced-motion: no-preference) {
  td, [role="cell"] { transition: background .3s; }
}
`;
