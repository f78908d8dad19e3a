/// The style sheet of the report.
enum HTMLStyle {
  static let sheet = """
    :root { color-scheme: light dark; --page: #fbfbfa; --card: #ffffff; --ink: #1c1c1a; --faint: #62625c; --line: #dcdcd6;
      --good: #1a7f45; --bad: #b3261e; --warn: #8a5a00; --bar: #3467b5; --s0: #3467b5; --s1: #c46a1b; --s2: #7a4fa3; --s3: #5f6b3a; }
    @media (prefers-color-scheme: dark) { :root { --page: #151513; --card: #1e1e1b; --ink: #ecece6; --faint: #a3a39a;
      --line: #383833; --good: #5fc98a; --bad: #ff8a80; --warn: #e5b04a; --bar: #7fa8e8; --s0: #7fa8e8; --s1: #e39a55;
      --s2: #b795dc; --s3: #a5b275; } }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
    main { max-width: 1060px; margin: 0 auto; padding: 24px 20px 60px; }
    h1 { font-size: 24px; margin: 0 0 4px; }
    h2 { font-size: 18px; margin: 0 0 2px; overflow-wrap: anywhere; }
    h3 { font-size: 15px; margin: 24px 0 6px; }
    section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 22px; }
    .faint { color: var(--faint); margin: 2px 0; } .badtext { color: var(--bad); }
    .summary { font-weight: 600; margin: 0 0 14px; } .summary.good { color: var(--good); } .summary.bad { color: var(--bad); }
    .pill { display: inline-block; border: 1px solid currentColor; border-radius: 99px; padding: 0 9px; font-size: 12px; font-weight: 600; }
    .pill.good { color: var(--good); } .pill.bad, .pill.error { color: var(--bad); }
    .pill.refused, .pill.warning, .warning { color: var(--warn); }
    .objections { color: var(--bad); }
    .tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0; }
    .tile { border: 1px solid var(--line); border-radius: 8px; padding: 8px 14px; }
    .tile span { display: block; color: var(--faint); font-size: 12px; } .tile strong { font-size: 18px; }
    .scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
    th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
    th { color: var(--faint); font-weight: 500; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    figure { margin: 0; } figcaption { font-size: 13px; overflow-wrap: anywhere; } .plots { display: flex; flex-wrap: wrap; gap: 18px; }
    .plots figure { width: 320px; } svg { width: 100%; height: auto; display: block; } .wide { margin: 6px 0; }
    .bar { fill: var(--bar); } .axis, .grid { stroke: var(--line); } .tick { fill: var(--faint); font-size: 10px; }
    .dot.high { fill: var(--good); } .dot.middle { fill: var(--warn); } .dot.low { fill: var(--bad); }
    .s0 { fill: var(--s0); background: var(--s0); } .s1 { fill: var(--s1); background: var(--s1); }
    .s2 { fill: var(--s2); background: var(--s2); } .s3 { fill: var(--s3); background: var(--s3); }
    .legend { list-style: none; padding: 0; margin: 4px 0; display: flex; flex-wrap: wrap; gap: 18px; font-size: 13px; }
    .swatch { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; }
    del { color: var(--bad); } ins { color: var(--good); text-decoration: none; border-bottom: 1px solid; }
    details { margin: 6px 0; } summary { cursor: pointer; color: var(--faint); }
    """
}
