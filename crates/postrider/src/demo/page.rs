//! The inbox as a page. Whatever came from outside is escaped text.

use super::inbox::Arrival;
use super::verify::Verdict;
use std::fmt::Write;
use std::sync::Arc;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Inbox · Postrider</title>
<style>
:root {
  --page: #f6f5f2; --card: #fff; --text: #1d1c1a; --soft: #5f5b54; --line: #dedad2; --code: #f6f5f2;
  --good: #1a6b3c; --good-back: #e2f3e8; --bad: #a3231c; --bad-back: #fbe6e4; --open: #6b5200; --open-back: #f8efcf;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161514; --card: #201f1d; --text: #ece9e3; --soft: #a8a39a; --line: #3a3733; --code: #191817;
    --good: #7fd6a0; --good-back: #17331f; --bad: #ff9f97; --bad-back: #431b18; --open: #ecca6b; --open-back: #383010;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.6rem; }
header p { margin: 0; color: var(--soft); }
nav { margin-left: auto; display: flex; gap: 1rem; }
a { color: inherit; text-underline-offset: .2em; }
details { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; margin-bottom: .75rem; }
summary { position: relative; display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; padding: .75rem 1rem .75rem 2.25rem; cursor: pointer; list-style: none; overflow-wrap: anywhere; }
summary::-webkit-details-marker { display: none; }
summary::before { content: "▸"; position: absolute; left: 1rem; color: var(--soft); }
[open] > summary::before { content: "▾"; }
summary b { font-size: 1.05rem; }
summary time { margin-left: auto; }
small, time { color: var(--soft); font-size: .85rem; font-variant-numeric: tabular-nums; }
.verdict { padding: .1rem .6rem; border-radius: 1rem; font-size: .85rem; }
.good { color: var(--good); background: var(--good-back); }
.bad { color: var(--bad); background: var(--bad-back); }
.open { color: var(--open); background: var(--open-back); }
.inside { padding: 0 1rem 1rem; border-top: 1px solid var(--line); }
h2 { margin: 1rem 0 .4rem; font-size: .85rem; font-weight: 600; color: var(--soft); }
table { width: 100%; border-collapse: collapse; font: .85rem/1.5 ui-monospace, monospace; }
th, td { padding: .15rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { width: 30%; padding-right: 1rem; font-weight: normal; color: var(--soft); }
pre { margin: 0; max-height: 30rem; overflow: auto; padding: .75rem; background: var(--code); border: 1px solid var(--line); border-radius: .4rem; font: .85rem/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.none { margin: 0; color: var(--soft); font-size: .85rem; }
.empty { padding: 3rem 1rem; text-align: center; color: var(--soft); border: 1px dashed var(--line); border-radius: .6rem; }
@media (max-width: 36rem) {
  summary small, summary time { margin-left: 0; flex-basis: 100%; }
  nav { margin-left: 0; }
  tr, th, td { display: block; width: auto; }
  td { padding-bottom: .4rem; }
}
</style>
</head>
<body>
<main>
"#;

/// The page, with the newest request first and open.
pub fn render(arrivals: &[Arc<Arrival>]) -> String {
    let mut html = HEAD.to_owned();
    let count = match arrivals.len() {
        0 => "nothing yet".to_owned(),
        1 => "1 request".to_owned(),
        count => format!("{count} requests, the newest first"),
    };
    // Writing to a string can't fail.
    let _ = writeln!(
        html,
        "<header><h1>Inbox</h1><p>{count}</p><nav><a href=\"/\">Reload</a><a href=\"/requests.json\">As JSON</a></nav></header>"
    );
    if arrivals.is_empty() {
        html.push_str("<p class=\"empty\">Send a message, then reload.</p>\n");
    }
    for (n, arrival) in arrivals.iter().enumerate() {
        request(&mut html, arrival, n == 0);
    }
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

fn request(html: &mut String, arrival: &Arrival, open: bool) {
    let (class, verdict, about) = match &arrival.verdict {
        Verdict::Verified(means) => ("good", "verified", *means),
        Verdict::Failed(reason) => ("bad", "not verified", reason.as_str()),
        Verdict::Unchecked(reason) => ("open", "not checked", reason.as_str()),
    };
    let (open, contract, time) = (if open { " open" } else { "" }, escape(&arrival.contract), arrival.time());
    let _ = writeln!(
        html,
        "<details{open}><summary><b>{contract}</b><span class=\"verdict {class}\">{verdict}</span><small>{}</small>\
         <time datetime=\"{time}\">{time}</time></summary>\n<div class=\"inside\">\n<h2>Headers</h2>\n<table>",
        escape(about)
    );
    for (name, value) in &arrival.headers {
        let _ = writeln!(html, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    let cut = if arrival.cut { ", only the first MiB is shown" } else { "" };
    let _ = writeln!(html, "</table>\n<h2>Body, as it came ({} bytes{cut})</h2>", arrival.body_bytes);
    if arrival.body.is_empty() {
        html.push_str("<p class=\"none\">Empty.</p>\n");
    } else {
        // A line break right after <pre> belongs to the markup, so that one of the body's stays.
        let _ = writeln!(html, "<pre tabindex=\"0\" dir=\"ltr\">\n{}</pre>", escape(&arrival.body));
    }
    html.push_str("</div></details>\n");
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    /// A request whose every text is this one.
    fn arrival(text: &str) -> Arc<Arrival> {
        Arc::new(Arrival {
            number: 1,
            contract: text.into(),
            wall_ms: 0,
            at: Instant::now(),
            headers: vec![(text.into(), text.into())],
            body: text.into(),
            body_bytes: text.len(),
            cut: true,
            verdict: Verdict::Failed(text.into()),
        })
    }

    #[test]
    fn what_came_from_outside_is_text() {
        let html = render(&[arrival("</pre><script>alert(1)</script>\"'&")]);
        assert!(!html.contains("<script") && html.matches("</pre>").count() == 1);
        assert_eq!(html.matches("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;").count(), 5);
        assert!(html.contains("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn what_is_empty_says_so() {
        assert!(render(&[]).contains("Send a message"));
        let html = render(&[arrival("")]);
        assert!(html.contains(">Empty.<") && !html.contains("<pre"));
    }
}
