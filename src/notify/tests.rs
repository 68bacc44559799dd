//! Notices to mails, and mails to their recipients, against memory.

mod message;
