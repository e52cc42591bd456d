//! Which unsupported keys an operator has said may be left out (`--allow-unsupported KEY,...`).

/// The keys of `--allow-unsupported`. A key is a path (`tcp`, `entryPoints.web.http3`), which covers everything below
/// it, or a bare key name (`certResolver`), which covers it wherever it stands. Case does not matter.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Allow {
    keys: Vec<String>,
}

impl Allow {
    /// Reads `KEY,KEY,...`; empty pieces are skipped.
    pub fn parse(text: &str) -> Self {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        Self { keys: keys.map(str::to_ascii_lowercase).collect() }
    }

    /// Whether a refusal of the key at `path` is to be a warning.
    pub fn covers(&self, path: &str) -> bool {
        let path = path.to_ascii_lowercase();
        self.keys.iter().any(|key| is_at_or_above(key, &path) || path.rsplit('.').next() == Some(key))
    }
}

fn is_at_or_above(key: &str, path: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_covers_its_path_what_is_below_and_its_bare_name() {
        let allow = Allow::parse("tcp, entrypoints.web.HTTP3,certResolver,,");
        for (path, covered) in [
            ("tcp", true),
            ("tcp.routers.a", true),
            ("tcpServersTransport", false),
            ("entryPoints.web.http3", true),
            ("entryPoints.websecure.http3", false),
            ("http.routers.a.tls.certResolver", true),
            ("certificatesResolvers", false),
        ] {
            assert_eq!(allow.covers(path), covered, "{path}");
        }
    }

    #[test]
    fn nothing_allowed_covers_nothing() {
        assert!(!Allow::default().covers("tcp"));
        assert!(!Allow::parse("").covers(""));
    }
}
