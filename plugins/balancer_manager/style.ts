/** The manager's style sheet: the colours of states in light and dark, and tables that narrow screens can show. */
export const STYLE = `:root {
  color-scheme: light dark;
  --line: #999;
  --head: #ddd;
  --ok: transparent;
  --error: #f6c6c6;
  --draining: #f8edb5;
  --disabled: #dcdcdc;
  --standby: #cfe2f8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --line: #666;
    --head: #333;
    --error: #6b1f1f;
    --draining: #5d5210;
    --disabled: #3a3a3a;
    --standby: #1d3f66;
  }
}
body { font-family: system-ui, sans-serif; margin: 1rem; }
table, [role="table"] { border-collapse: collapse; margin: .5rem 0; text-align: center; }
[role="table"] { display: table; }
[role="row"] { display: table-row; }
[role="cell"], [role="columnheader"] { display: table-cell; }
.caption { margin: .5rem 0 0; font-weight: bold; }
th, td, [role="cell"], [role="columnheader"] { border: 1px dotted var(--line); padding: 2px 6px; }
th, [role="columnheader"] { background: var(--head); font-weight: bold; }
.error > * { background: var(--error); }
.draining > * { background: var(--draining); }
.disabled > * { background: var(--disabled); }
.standby > * { background: var(--standby); }
.drained > :first-child::after { content: " \\2713 drained"; }
svg { width: 120px; height: 20px; display: block; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.5; }
a:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible { outline: 3px solid Highlight; }
button, input[type="submit"] { min-height: 2rem; }
#live:not(:empty) { border-left: 4px solid var(--line); padding-left: .5rem; }
.preview:empty { display: none; }
@media (max-width: 60rem) {
  table, [role="table"] { display: block; overflow-x: auto; max-width: 100%; }
}
@media (prefers-reduced-motion: no-preference) {
  td, [role="cell"] { transition: background .3s; }
}
`;
