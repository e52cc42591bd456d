//! Other systems drive rollouts, unmodified, with the files of integrations/: their parts are played, the gateway is the real binary.

#![cfg(test)]

mod argo;
mod between;
mod flagger;
mod inline;
mod kayenta;
mod site;
mod spinnaker;
mod watch;
