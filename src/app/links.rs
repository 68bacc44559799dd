//! The links of mails, as the configuration says.

use anyhow::Context;

use crate::config::Config;
use crate::links::{LinkKey, Links};

/// File of the key in the data folder.
const KEY_FILE: &str = "link.key";

/// What makes and reads links; none without a public URL, for nobody could follow them.
pub(super) fn links_of(config: &Config) -> anyhow::Result<Option<Links>> {
    let server = &config.server;
    let Some(public_url) = &server.public_url else {
        return Ok(None);
    };
    let key = match &server.link_key_file {
        Some(path) => LinkKey::read(path)?,
        None => LinkKey::read_or_make(&config.data.join(KEY_FILE))?,
    };
    let links = Links::new(public_url, key, server.link_valid_ms());
    Ok(Some(links.context("server.public_url")?))
}
