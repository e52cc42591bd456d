//! The commands of rollouts, by the effects that want them.

use std::io;

use super::super::{
    engine::EffectId,
    jobs::{Job, Jobs, Report},
};

/// Each has an id that begins with its effect's.
pub(in super::super) struct RolloutJobs(pub(super) Jobs);

impl RolloutJobs {
    pub(in super::super) async fn run(&self, id: &str, job: &Job) -> io::Result<Report> {
        self.0.run(id, job).await
    }

    /// Ends what runs for an effect.
    pub(in super::super) fn cancel(&self, effect: &EffectId) {
        self.of(&effect.0, |id| drop(self.0.cancel(id)));
    }

    /// Forgets all commands of a rollout.
    pub(in super::super) fn forget_all(&self, rollout: &str) {
        self.of(rollout, |id| drop(self.0.forget(id)));
    }

    pub(super) fn output(&self, effect: &EffectId) -> String {
        let mut last = String::new();
        self.of(&effect.0, |id| last = self.0.output(id));
        last
    }

    fn of(&self, name: &str, mut does: impl FnMut(&str)) {
        let begins = format!("{}.", name.replace('/', "."));
        for id in self.0.ids() {
            if id.starts_with(&begins) {
                does(&id);
            }
        }
    }
}
