//! The page that asks somebody to approve a rollout. It needs nothing from anywhere else, and no page may frame it.

use rollgate_config::dynamic::rollout::{Pipeline, stage::StageKind};

use crate::rollout::engine::Rollout;

/// What the page may do: its own script asks this server.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                          frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The question that is open.
pub fn question(rollout: &Rollout, pipeline: &Pipeline, nonce: &str) -> String {
    let stage = rollout.at.stage(pipeline);
    let message = match stage.map(|stage| &stage.kind) {
        Some(StageKind::Approve(approve)) => approve.message.clone(),
        _ => None,
    };
    let facts = [
        ("Rollout", rollout.id.clone()),
        ("Service", rollout.service.clone()),
        ("From", rollout.stable.clone()),
        ("To", rollout.canary.clone()),
        ("Begun by", rollout.actor.clone()),
        ("So far", rollout.progress()),
        ("Last look", rollout.evidence.as_ref().map(|evidence| evidence.says.clone()).unwrap_or_default()),
    ];
    let rows: String = facts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>", escaped(value)))
        .collect();
    let asked = message.unwrap_or_else(|| format!("May {} go on?", rollout.id));
    page(
        &asked,
        &format!(
            "<table>{rows}</table><p><label>Reason <input id=reason maxlength=1000></label></p>\
             <p><button data-action=approve>Approve</button> <button data-action=deny>Deny</button></p><p id=answer></p>\
             <script>for(const b of document.querySelectorAll('button'))b.onclick=async()=>{{\
             const r=await fetch(b.dataset.action+'?nonce={nonce}',{{method:'POST',\
             headers:{{'Content-Type':'application/json'}},body:JSON.stringify({{reason:document.getElementById('reason').value||null}})}});\
             const a=await r.json();document.getElementById('answer').textContent=r.ok?a.progress:a.detail;\
             if(r.ok)document.querySelectorAll('button').forEach(b=>b.disabled=true)}}</script>"
        ),
    )
}

/// There is none, or another one.
pub fn closed() -> String {
    page("This question is not open", "<p>It was answered, or nobody has asked it.</p>")
}

fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>{title}</title>\
         <style>body{{font:16px sans-serif;max-width:40em;margin:3em auto;padding:0 1em}}th{{text-align:left;padding-right:1em}}\
         button{{font:inherit;padding:.4em 1em}}</style><h1>{title}</h1>{body}"
    )
}

/// As text in HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_has_written_is_text() {
        let page = page("<script>'\"&", "");
        assert!(page.contains("<h1>&lt;script&gt;&#39;&quot;&amp;</h1>") && !page.contains("<script>"), "{page}");
    }
}
