//! Notices to mails, and mails to their recipients, against memory and a scripted server.

mod corrections;
mod delivering;
mod demands;
mod digests;
mod groups;
mod hooks;
mod hooks_tls;
mod links;
mod message;
mod reports;
mod smtp;
mod storm;
