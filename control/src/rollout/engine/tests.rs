mod actions;
mod flows;
mod held;
mod pipelines;
mod properties;
mod ride;
mod watch;
