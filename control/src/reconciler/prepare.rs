//! From texts to a configuration that can be published.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use rollgate_config::{Allow, Read, dynamic::Configuration, problem::Problem, static_config::Static};

use crate::{
    certificates::{self, Filled, Good, Resolved},
    file::{
        self, Texts,
        reader::{Content, Kind, Reader},
    },
    statics::{Now, Started},
};

/// What can be published.
#[derive(Debug)]
pub struct Prepared {
    /// Certificates are text in it.
    pub statics: Static,
    /// Certificates are text in it.
    pub configuration: Arc<Configuration>,
    /// What was let through although it is not supported.
    pub allowed: Vec<Problem>,
    /// What takes effect at the next start.
    pub restart: Vec<Problem>,
    /// The certificates that it uses.
    pub certificates: Good,
    /// What is wrong with those of them that count as they last were.
    pub outdated: Vec<Problem>,
}

/// Reads and validates the dynamic configuration of some texts. The warnings name what `--allow-unsupported` lets through.
pub fn read(texts: &Texts, statics: &Static, allow: &Allow) -> (Result<Configuration, Vec<Problem>>, Vec<Problem>) {
    let documents = match file::documents(texts) {
        Ok(documents) => documents,
        Err(problems) => return (Err(problems), Vec::new()),
    };
    let documents = documents.each_ref().map(|(provider, documents)| (*provider, &documents[..]));
    let Read { value, mut problems, warnings, .. } = rollgate_config::read_dynamic_of(&documents, Some(statics), allow);
    let Some(configuration) = value else { return (Err(problems), warnings) };
    problems.extend(rollgate_config::validate_entry_points(statics, &configuration));
    if problems.is_empty() { (Ok(configuration), warnings) } else { (Err(problems), warnings) }
}

/// Makes of texts what can be published. `seen` gets every file with certificates that was looked at.
pub(super) fn prepare(
    texts: &Texts,
    started: &Started,
    reader: &mut Reader,
    last_good: &Good,
    filled: &mut Filled,
    seen: &mut BTreeMap<PathBuf, Content>,
) -> Result<Prepared, Vec<Problem>> {
    let main = texts.values().find(|text| text.is_main);
    let (now, mut problems) = match started.now(main.map(|text| &**text)) {
        Ok(now) => (Some(now), Vec::new()),
        Err(problems) => (None, problems),
    };
    // What is wrong with the rest is told at once, too; against the entry points that there were.
    let statics = now.as_ref().map_or(&started.statics, |now| &now.statics);
    let (read, mut allowed) = read(texts, statics, &started.allow);
    let configuration = read.map_err(|found| problems.extend(found)).ok();
    let (Some(Now { mut statics, allowed: of_statics, restart }), Some(mut configuration)) = (now, configuration)
    else {
        return Err(problems);
    };
    allowed.splice(0..0, of_statics);
    let Resolved { good, outdated, problems, seen: files } = certificates::resolve(
        &mut statics.servers_transport,
        &mut configuration,
        |path| reader.read(path, Kind::Pem),
        last_good,
        filled,
    );
    seen.extend(files);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Prepared { statics, configuration: Arc::new(configuration), allowed, restart, certificates: good, outdated })
}
