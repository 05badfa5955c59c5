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
table { border-collapse: collapse; margin: .5rem 0; text-align: center; }
caption { text-align: left; font-weight: bold; }
th, td { border: 1px dotted var(--line); padding: 2px 6px; }
th { background: var(--head); }
tr.error td { background: var(--error); }
tr.draining td { background: var(--draining); }
tr.disabled td { background: var(--disabled); }
tr.standby td { background: var(--standby); }
tr.drained td:first-child::after { content: " \\2713 drained"; }
svg { width: 120px; height: 20px; display: block; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.5; }
a:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible { outline: 3px solid Highlight; }
button, input[type="submit"] { min-height: 2rem; }
#live:not(:empty) { border-left: 4px solid var(--line); padding-left: .5rem; }
.preview:empty { display: none; }
@media (max-width: 60rem) {
  table { display: block; overflow-x: auto; max-width: 100%; }
}
@media (prefers-reduced-motion: no-preference) {
  tr td { transition: background .3s; }
}
`;
