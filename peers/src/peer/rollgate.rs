//! Us, with the files of Traefik.

use super::{Peer, Start, nothing, traefik};

pub(super) const PEER: Peer = Peer {
    name: "rollgate",
    program: "rollgate",
    variable: "ROLLGATE_BIN",
    version: &["--version"],
    lacks: nothing,
    files: |site, folder| {
        let file = traefik::files(site, folder);
        let state = folder.display().to_string();
        Start::of(["run", "--config", &file]).with("STATE_DIRECTORY", state)
    },
    again: traefik::AGAIN,
};

/// Us as we were, where a change is measured: both in the same rounds.
pub(super) const BEFORE: Peer =
    Peer { name: "before", program: "rollgate-before", variable: "ROLLGATE_BEFORE", ..PEER };
