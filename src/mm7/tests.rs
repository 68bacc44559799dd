//! Messages as gateways really send them, and such as nobody should.
//!
//! The shapes are those of independent implementations, met in public repositories; numbers and ids
//! are ours. Each says whose shape it is:
//! * `CHINESE`: a Java service-provider gateway (`com.zbensoft.mmsmp`, its report test and report
//!   builders): release 6, `TimeStamp`, `Third:User Retrieved`, plain integers as status;
//! * `SIMULATOR`: a Python MMSC simulator (tornado): GB2312 declared, one-digit months, the sender
//!   without `Number`, an element that is in no schema;
//! * `KOREAN`: a Korean operator's (`kr.co.seoultel.message.mt.mms.direct`): release 5, EUC-KR
//!   declared, `Recipients`;
//! * `AUSTRALIAN`: a JavaScript simulator of an Australian MMSC: a prefix that is declared nowhere,
//!   mail addresses, a time without an offset;
//! * `MBUNI`: what Mbuni's MMSC itself sent (`tests/mm7/mbuni`): the handset as `Sender`, without `Number` where it is
//!   configured to 5.1.0, and the service as `Recipient`;
//! * `VECTORCORE`: an MMSC in Go (VectorCore) as it sends: no time, the namespace at the envelope, fields of none.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::rules::testing::{MINIMAL, book};

const R5: &str = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2";
const R6: &str = "http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-0";

const CHINESE: &str = r#"<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-0" env:mustUnderstand="1">T-1&amp;2</mm7:TransactionID></env:Header><env:Body><DeliveryReportReq xmlns="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-0"><MM7Version>6.3.0</MM7Version><Sender><Number>10658000</Number></Sender><Recipient><Number>+8613900000001</Number></Recipient><TimeStamp>2026-03-02T07:31:46+08:00</TimeStamp><MMSRelayServerID>600003</MMSRelayServerID><MessageID>0817-1</MessageID><MMStatus>Third:User Retrieved</MMStatus><StatusText>1000</StatusText></DeliveryReportReq></env:Body></env:Envelope>"#;

const SIMULATOR: &str = r#"<?xml version="1.0" encoding="GB2312"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-0" env:mustUnderstand="1">s-1</mm7:TransactionID></env:Header><env:Body><DeliveryReportReq xmlns="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-0"><MM7Version>6.3.0</MM7Version><MMSRelayServerID>902500</MMSRelayServerID><MessageID>m-2</MessageID><Recipient><Number>13900000002</Number></Recipient><Sender>10658000</Sender><TimeStamp>2026-3-2T07:34:50+08:00</TimeStamp><MMStatus>Expired</MMStatus><MMSStatusErrorCode>129</MMSStatusErrorCode><StatusText>STATUS</StatusText></DeliveryReportReq></env:Body></env:Envelope>"#;

const KOREAN: &str = r#"<?xml version="1.0" encoding="euc-kr"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><mm7:TransactionID xmlns:mm7="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2" env:mustUnderstand="1">-67:-25b6</mm7:TransactionID></env:Header><env:Body><mm7:DeliveryReportReq xmlns:mm7="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2"><MM7Version>5.3.0</MM7Version><MMSRelayServerID>KR-Relay</MMSRelayServerID><Sender><Number>01000000000</Number></Sender><MessageID>65_B_412</MessageID><Recipients><Number>01000000001</Number></Recipients><TimeStamp>2026-03-02T08:22:54+09:00</TimeStamp><MMStatus>Retrieved</MMStatus><StatusText>OK</StatusText></mm7:DeliveryReportReq></env:Body></env:Envelope>"#;

const AUSTRALIAN: &str = "<?xml version='1.0'?>
  <soap-env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\">
    <soap-env:Header>
      <mm7:TransactionID xmlns:mm7=\"http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4\" env:mustUnderstand=\"1\">au-1</mm7:TransactionID>
    </soap-env:Header>
    <soap-env:Body>
      <DeliveryReportReq xmlns=\"http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-6-MM7-1-4\">
        <MM7Version>6.8.0</MM7Version>
        <MMSRelayServerID>AU</MMSRelayServerID>
        <MessageID>au-1</MessageID>
        <Recipient>
          <RFC2822Address>61400000000/TYPE=PLMN@mm7.example</RFC2822Address>
        </Recipient>
        <Date>2026-03-02T07:31:00</Date>
        <MMStatus>Retrieved</MMStatus>
        <StatusText>The message was retrieved by the recipient</StatusText>
        <UACapabilities UAProf=\"phone\"/>
      </DeliveryReportReq>
    </soap-env:Body>
  </soap-env:Envelope>";

const MBUNI: &str = include_str!("../../tests/mm7/mbuni/5.1.0-plus-expired.http");

const VECTORCORE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:mm7="http://www.3gpp.org/ftp/Specs/archive/23_series/23.140/schema/REL-5-MM7-1-2"><soapenv:Header><mm7:TransactionID soapenv:mustUnderstand="1">v-1&amp;</mm7:TransactionID></soapenv:Header><soapenv:Body><mm7:DeliveryReportReq><MM7Version>5.3.0</MM7Version><MessageID>v-2</MessageID><Recipient><Number>+8613900000003</Number></Recipient><MMStatus>Retrieved</MMStatus><StatusText>Message delivered</StatusText></mm7:DeliveryReportReq></soapenv:Body></soapenv:Envelope>"#;

fn ms(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

/// The line of a message that arrives at nine, under what the book says of gateways.
fn line_of(message: &[u8], gateways: &str) -> Result<Value, (Status, String)> {
    let book = book(&format!("{MINIMAL}\nmms: {{gateways: [{gateways}]}}\n"));
    let zone = TimeZone::get(&book.time_zone).unwrap();
    let report = read(message).report?;
    let now_ms = ms("2026-03-02T09:00:00+08:00");
    let line = line(&report, &book.mms, &zone, now_ms, || now_ms, 600_000, 512)?;
    Ok(serde_json::from_str(&line).unwrap())
}

#[test]
fn a_chinese_gateways_report_becomes_a_receipt() {
    let request = read(CHINESE.as_bytes());
    assert_eq!(request.transaction.as_deref(), Some("T-1&2"));
    assert_eq!(request.namespace.as_deref(), Some(R6));
    assert_eq!(request.version.as_deref(), Some("6.3.0"));
    let want = json!({
        "type": "mms_receipt", "ts": ms("2026-03-02T07:31:46+08:00"), "message_id": "0817-1",
        "status": "Third:User Retrieved", "status_text": "1000", "recipient": "13900000001",
        "source": "600003",
    });
    assert_eq!(line_of(CHINESE.as_bytes(), "").unwrap(), want);
}

#[test]
fn a_remark_that_is_too_long_is_cut_and_no_reason_to_lose_a_report() {
    // 200 characters of three bytes: the 512th byte is inside the 171st.
    let message = CHINESE.replace(">1000<", &format!(">{}<", "手".repeat(200)));
    let line = line_of(message.as_bytes(), "").unwrap();
    assert_eq!(line["status_text"], "手".repeat(170));
    let report = read(message.as_bytes()).report.unwrap();
    assert_eq!(report.long_remark(512), Some(600));
    assert_eq!(report.long_remark(600), None);
}

#[test]
fn a_number_as_status_is_kept_as_it_is() {
    let message = CHINESE.replace("Third:User Retrieved", "2001");
    assert_eq!(line_of(message.as_bytes(), "").unwrap()["status"], "2001");
}

#[test]
fn a_document_in_a_chinese_encoding_with_short_dates_is_read() {
    let (bytes, _, _) = encoding_rs::GBK.encode(SIMULATOR);
    let mut bytes = bytes.into_owned();
    let (cause, _, _) = encoding_rs::GBK.encode("手机没电");
    let at = bytes
        .windows(6)
        .position(|window| window == b"STATUS")
        .unwrap();
    bytes.splice(at..at + 6, cause.iter().copied());
    let line = line_of(&bytes, "").unwrap();
    assert_eq!(line["status_text"], "手机没电");
    assert_eq!(line["ts"], ms("2026-03-02T07:34:50+08:00"));
    assert_eq!(line["recipient"], "13900000002");
}

#[test]
fn a_korean_report_of_release_5_is_read_and_answered_in_its_own_namespace() {
    let request = read(KOREAN.as_bytes());
    let line = line_of(KOREAN.as_bytes(), "").unwrap();
    assert_eq!(line["recipient"], "01000000001");
    assert_eq!(line["ts"], ms("2026-03-02T08:22:54+09:00"));
    let answer = answer(&request, Status::Success, None);
    assert!(
        answer.contains(&format!(
            "<DeliveryReportRsp xmlns=\"{R5}\"><MM7Version>5.3.0"
        )),
        "{answer}"
    );
    assert!(
        answer.contains(">-67:-25b6</mm7:TransactionID>"),
        "{answer}"
    );
    assert!(answer.contains("<StatusCode>1000</StatusCode>"), "{answer}");
}

#[test]
fn a_namespace_of_the_envelope_is_answered_in() {
    let request = read(VECTORCORE.as_bytes());
    let line = line_of(VECTORCORE.as_bytes(), "").unwrap();
    assert_eq!(line["recipient"], "13900000003");
    assert_eq!(line["ts"], ms("2026-03-02T09:00:00+08:00"));
    let answer = answer(&request, Status::Success, None);
    let name = format!("<DeliveryReportRsp xmlns=\"{R5}\"><MM7Version>5.3.0");
    assert!(answer.contains(&name), "{answer}");
    // Another's namespace is nothing to answer in, wherever it stands.
    let other = VECTORCORE.replace("http://www.3gpp.org/", "http://www.example.org/");
    assert_eq!(read(other.as_bytes()).namespace, None);
}

#[test]
fn a_prefix_that_is_declared_nowhere_and_a_mail_address_are_read() {
    let line = line_of(AUSTRALIAN.as_bytes(), "").unwrap();
    assert_eq!(line["recipient"], "61400000000");
    // Without an offset it is the operator's own time.
    assert_eq!(line["ts"], ms("2026-03-02T07:31:00+08:00"));
}

#[test]
fn a_gateway_whose_date_is_the_submission_reports_now() {
    let line = line_of(CHINESE.as_bytes(), "{relay: '600003', date: submission}").unwrap();
    assert_eq!(line["ts"], ms("2026-03-02T09:00:00+08:00"));
    assert_eq!(line["submitted_at"], ms("2026-03-02T07:31:46+08:00"));
    // Another gateway's habit is not this one's.
    let other = line_of(CHINESE.as_bytes(), "{relay: '600004', date: submission}").unwrap();
    assert_eq!(other["submitted_at"], Value::Null);
    // Not every gateway says who it is: the star is of those, and of all that have no line of their own.
    let unnamed = line_of(AUSTRALIAN.as_bytes(), "{relay: '*', date: submission}").unwrap();
    assert_eq!(unnamed["ts"], ms("2026-03-02T09:00:00+08:00"));
    assert_eq!(unnamed["submitted_at"], ms("2026-03-02T07:31:00+08:00"));
    let both = "{relay: '*', date: submission}, {relay: '600003', date: handling}";
    let named = line_of(CHINESE.as_bytes(), both).unwrap();
    assert_eq!(named["submitted_at"], Value::Null);
}

#[test]
fn a_gateway_that_reports_as_the_handset_names_it_as_the_sender() {
    let (_, message) = MBUNI.split_once("\r\n\r\n").unwrap();
    let habit = "{relay: '*', recipient: sender}";
    let line = line_of(message.as_bytes(), habit).unwrap();
    let want = json!({
        "type": "mms_receipt", "ts": ms("2026-03-02T07:31:43+08:00"), "message_id": "qf7901.54.x454.43@mmsc",
        "status": "Expired", "recipient": "13910000300",
    });
    assert_eq!(line, want);
    // By the standard it is the service's own number.
    let standard = line_of(message.as_bytes(), "").unwrap();
    assert_eq!(standard["recipient"], "10658003");
    // The service is never the one that a message was for.
    let unnamed = message.replace("mm7:Sender>", "mm7:Somebody>");
    let line = line_of(unnamed.as_bytes(), habit).unwrap();
    assert_eq!(line["recipient"], Value::Null);
}

#[test]
fn a_gateway_with_a_twelve_hour_clock_means_the_half_day_that_fits() {
    let message = CHINESE.replace("2026-03-02T07:31:46", "2026-03-01T07:31:46");
    let line = line_of(message.as_bytes(), "{relay: '600003', clock: 12h}").unwrap();
    assert_eq!(line["ts"], ms("2026-03-01T19:31:46+08:00"));
    let today = line_of(CHINESE.as_bytes(), "{relay: '600003', clock: 12h}").unwrap();
    assert_eq!(today["ts"], ms("2026-03-02T07:31:46+08:00"));
}

#[track_caller]
fn refused(message: &str, status: Status, words: &str) {
    let (got, reason) = line_of(message.as_bytes(), "").unwrap_err();
    assert_eq!(got, status, "{reason}");
    assert!(reason.contains(words), "{reason}");
}

#[test]
fn what_is_missing_or_unreadable_is_said() {
    let without = |element: &str| {
        let (start, end) = (format!("<{element}>"), format!("</{element}>"));
        let (head, rest) = CHINESE.split_once(&start).unwrap();
        format!("{head}{}", rest.split_once(&end).unwrap().1)
    };
    refused(
        &without("MessageID"),
        Status::ValidationError,
        "MessageID is missing",
    );
    refused(
        &without("MMStatus"),
        Status::ValidationError,
        "MMStatus is missing",
    );
    // Without a time the report is made when it comes.
    let line = line_of(without("TimeStamp").as_bytes(), "").unwrap();
    assert_eq!(line["ts"], ms("2026-03-02T09:00:00+08:00"));
    let garbled = CHINESE.replace("2026-03-02T07:31:46+08:00", "today");
    refused(
        &garbled,
        Status::ValidationError,
        "\"today\" cannot be read",
    );
    let other = CHINESE.replace("DeliveryReportReq", "SubmitReq");
    refused(&other, Status::UnsupportedOperation, "SubmitReq");
    refused("", Status::MessageFormatCorrupt, "not complete");
    refused("<a/>", Status::MessageFormatCorrupt, "not a SOAP envelope");
    refused(
        &CHINESE[..700],
        Status::MessageFormatCorrupt,
        "tag not closed",
    );
    refused("not XML", Status::MessageFormatCorrupt, "not complete");
}

#[test]
fn bombs_and_external_entities_are_refused_where_they_begin() {
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE b [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]>";
    let outside = "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>";
    for doctype in [bomb, outside] {
        let message = format!("{doctype}{}", CHINESE.split_once("?>").unwrap().1);
        refused(&message, Status::MessageFormatCorrupt, "document type");
    }
    let undeclared = CHINESE.replace("<StatusText>1000", "<StatusText>&lol;");
    refused(
        &undeclared,
        Status::MessageFormatCorrupt,
        "\"lol\" is not known",
    );
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    refused(&deep, Status::MessageFormatCorrupt, "levels");
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    refused(&wide, Status::MessageFormatCorrupt, "elements");
    refused(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
        Status::MessageFormatCorrupt,
        "UTF-16",
    );
}

#[test]
fn an_answer_repeats_nothing_that_could_be_markup() {
    let evil = CHINESE
        .replace("T-1&amp;2", "&lt;/x&gt;&lt;y&gt;")
        .replace("6.3.0", "&quot;&lt;z&gt;")
        .replace("REL-6-MM7-1-0", "REL&quot; onload=&quot;");
    let request = read(evil.as_bytes());
    let answer = answer(&request, Status::ValidationError, Some("<script>"));
    assert!(read(answer.as_bytes()).report.is_err());
    for markup in ["<y>", "<z>", "<script>", "\" onload"] {
        assert!(!answer.contains(markup), "{answer}");
    }
    assert!(answer.contains("<StatusCode>4004</StatusCode>"), "{answer}");
}

#[test]
fn faults_are_soap_faults() {
    let answer = answer(&read(b"<a/>"), Status::UnsupportedOperation, None);
    assert!(
        answer.contains("<env:Fault><faultcode>env:Client</faultcode>"),
        "{answer}"
    );
    assert!(answer.contains("<RSErrorRsp xmlns="), "{answer}");
    assert!(answer.contains("<StatusCode>4003</StatusCode>"), "{answer}");
}
