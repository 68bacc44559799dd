//! Starts that fail, and what they leave behind.

use super::*;
fn config(folder: &std::path::Path) -> Config {
    Config {
        data: folder.to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        workers: 1,
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let mut failing = config(folder.path());
    let smtp = "{host: localhost, username: u, password_file: /no/such/password}";
    failing.mail.smtp = serde_saphyr::from_str(smtp).unwrap();
    let failed = App::start(failing, RuleSource::Shipped).await;
    let words = format!("{:#}", failed.err().unwrap());
    assert!(words.contains("/no/such/password"), "{words}");
    // The lock of the journal is free at once.
    let app = App::start(config(folder.path()), RuleSource::Shipped);
    app.await.unwrap().shutdown().await.unwrap();
}
