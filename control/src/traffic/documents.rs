//! Documents that are kept, and the configurations that are made of them.

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use rollgate_config::{dynamic::Configuration, problem::Problem, static_config::Static};
use serde_json::{Value, json};

use super::{Actor, Traffic, milliseconds};
use crate::store::{AuditEntry, Change, Commit, StoreError};

/// A document that somebody puts in place of the one of its name.
#[derive(Debug, Clone, Copy)]
pub struct KeptDocument<'d> {
    /// What it is called in the store.
    pub name: &'static str,
    /// All of it.
    pub text: &'d str,
    /// Who.
    pub by: &'d Actor,
}

/// Why it is not in force; all is as it was.
#[derive(Debug, Clone, PartialEq)]
pub enum NotKept {
    /// What it makes of the configuration is wrong.
    Problems(Vec<Problem>),
    /// It could not be kept.
    Store(StoreError),
}

impl Traffic {
    /// The document of a name, as it is kept.
    pub fn document(&self, name: &str) -> Option<String> {
        self.state.lock().documents.get(name).cloned()
    }

    /// Texts whose names begin so, by what follows.
    pub fn texts(&self, prefix: &str) -> Vec<(String, String)> {
        let state = self.state.lock();
        let texts = state.documents.iter().filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, text)));
        texts.map(|(name, text)| (name.to_owned(), text.clone())).collect()
    }

    /// Keeps a text that is no part of the configuration, in place of the one of its name, or forgets it.
    ///
    /// # Errors
    /// It is not kept.
    pub async fn put_text(&self, name: &str, text: Option<String>, by: &Actor) -> Result<(), StoreError> {
        let _writing = self.turn().await?;
        let before = self.document(name);
        if before == text {
            return Ok(());
        }
        let entry = AuditEntry {
            at: milliseconds(SystemTime::now()),
            actor: by.name.to_string(),
            role: by.role.to_owned(),
            address: by.address(),
            action: format!(
                "{}.{}",
                name.split(':').next().unwrap_or_default(),
                if text.is_some() { "put" } else { "deleted" }
            ),
            reason: Some(name.to_owned()),
            from: shown(before.as_deref()),
            to: shown(text.as_deref()),
            ..AuditEntry::default()
        };
        let change = match &text {
            Some(text) => Change::PutDocument(name.to_owned(), text.clone()),
            None => Change::DropDocument(name.to_owned()),
        };
        self.commit(Commit { changes: vec![change], audit: vec![entry], ..Commit::default() }).await?;
        let mut state = self.state.lock();
        match text {
            Some(text) => drop(state.documents.insert(name.to_owned(), text)),
            None => drop(state.documents.remove(name)),
        }
        Ok(())
    }

    /// Another process has changed a document.
    pub async fn documents_changed(&self) {
        self.documents_changed.notified().await;
    }

    /// Keeps a document, and makes the configuration live that it is a part of, as [`Self::publish`] does. The audit log has
    /// its digest alone, since it may hold what is secret.
    ///
    /// # Errors
    /// If it cannot be kept nothing is published. If what is published has problems, what was kept before is put back.
    pub async fn publish_document(
        &self,
        document: KeptDocument<'_>,
        statics: Option<&Static>,
        configuration: Arc<Configuration>,
    ) -> Result<u64, NotKept> {
        let _writing = self.turn().await.map_err(NotKept::Store)?;
        let KeptDocument { name, text, by } = document;
        let before = self.document(name);
        // The next one, if nothing comes between.
        let generation = self.generation() + 1;
        let put = AuditEntry {
            at: milliseconds(SystemTime::now()),
            actor: by.name.to_string(),
            role: by.role.to_owned(),
            address: by.address(),
            action: "config.put".to_owned(),
            from: shown(before.as_deref()),
            to: shown(Some(text)),
            generation: Some(generation),
            ..AuditEntry::default()
        };
        let changes = vec![Change::PutDocument(name.to_owned(), text.to_owned())];
        self.commit(Commit { changes, audit: vec![put.clone()], ..Commit::default() }).await.map_err(NotKept::Store)?;
        match self.publish(statics, configuration).await {
            Ok(generation) => {
                self.state.lock().documents.insert(name.to_owned(), text.to_owned());
                Ok(generation)
            }
            Err(problems) => {
                let back = match before {
                    Some(before) => Change::PutDocument(name.to_owned(), before),
                    None => Change::DropDocument(name.to_owned()),
                };
                let reason = Some(format!("it has {} problem(s)", problems.len()));
                let (from, to) = (put.to.clone(), put.from.clone());
                let refused =
                    AuditEntry { action: "config.refused".to_owned(), reason, from, to, generation: None, ..put };
                self.state.lock().owe(Commit { changes: vec![back], audit: vec![refused], ..Commit::default() });
                self.owing.notify_one();
                Err(NotKept::Problems(problems))
            }
        }
    }
}

fn shown(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    let digest = digest(&SHA256, text.as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"sha256": digits, "bytes": text.len()})
}
