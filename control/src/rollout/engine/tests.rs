mod actions;
mod crashes;
mod flows;
mod held;
mod pipelines;
mod properties;
mod ride;
mod world;
