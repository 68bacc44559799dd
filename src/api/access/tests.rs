use super::*;

fn access() -> Access {
    Access::of(vec![Grant {
        name: "王工".to_owned(),
        sha256: sha256("secret-of-sixteen"),
        roles: vec![Role::Operator],
        departments: vec!["NET".to_owned()],
        cities: Vec::new(),
    }])
}

fn caller(value: &str) -> Option<Caller> {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value.parse().unwrap());
    access().caller(&headers)
}

#[test]
fn a_token_comes_as_bearer_or_as_a_password() {
    let basic = format!("Basic {}", STANDARD.encode("anybody:secret-of-sixteen"));
    for good in [
        "Bearer secret-of-sixteen",
        "bearer  secret-of-sixteen ",
        &basic,
    ] {
        assert_eq!(caller(good).unwrap().name(), "王工", "{good}");
    }
    for bad in [
        "Bearer secret",
        "secret-of-sixteen",
        "Basic ???",
        "Digest x",
        "Bearer ",
    ] {
        assert!(caller(bad).is_none(), "{bad}");
    }
    assert!(access().caller(&HeaderMap::new()).is_none());
}

#[test]
fn roles_allow_what_they_name_and_reading() {
    let caller = caller("Bearer secret-of-sixteen").unwrap();
    assert!(caller.has(Role::Reader) && caller.has(Role::Operator));
    assert!(!caller.has(Role::Producer) && !caller.has(Role::Subscribers));
    assert!(caller.check_department("NET").is_ok());
    assert!(caller.check_department("BSC").is_err());
    assert_eq!(caller.actor(None).unwrap().unwrap(), "王工");
    assert!(caller.actor(Some("李")).is_err());
    // An open server lets everybody do everything but see numbers.
    let anybody = Caller::default();
    assert!(anybody.has(Role::Administrator) && !anybody.has(Role::Subscribers));
}

#[test]
fn an_administrator_does_not_see_numbers_by_that() {
    let admin = Caller(Some(Arc::new(Grant {
        name: "a".to_owned(),
        sha256: [0; 32],
        roles: vec![Role::Administrator],
        departments: Vec::new(),
        cities: Vec::new(),
    })));
    assert!(admin.has(Role::Producer) && admin.has(Role::Operator));
    assert!(!admin.has(Role::Subscribers));
}

#[test]
fn what_changes_anything_needs_more_than_reading() {
    let table = crate::api::router::table().into_iter();
    for (path, _) in table.filter(|(path, _)| !path.starts_with("/v1/subscribers/")) {
        let needed = role_for(&Method::POST, path);
        assert_ne!(needed, Some(Role::Reader), "{path}");
    }
    assert_eq!(
        role_for(&Method::POST, "/v1/rules/reload"),
        Some(Role::Administrator)
    );
    assert_eq!(role_for(&Method::GET, "/ready"), None);
}

#[test]
fn a_token_of_some_cities_asks_for_one_of_them() {
    let of = |cities: &[&str]| {
        Caller(Some(Arc::new(Grant {
            name: "b".to_owned(),
            sha256: [0; 32],
            roles: vec![Role::Reader],
            departments: Vec::new(),
            cities: cities.iter().map(|city| (*city).to_owned()).collect(),
        })))
    };
    let asked = |caller: &Caller, city: Option<&str>| {
        let city = caller.city(city.map(str::to_owned));
        city.map_err(|error| error.message().to_owned())
    };
    let own = |city: &str| Ok(Some(city.to_owned()));
    let (whole, one, two) = (of(&[]), of(&["永州"]), of(&["永州", "长沙"]));
    assert_eq!(asked(&whole, None), Ok(None));
    assert_eq!(asked(&whole, Some("长沙")), own("长沙"));
    assert_eq!(asked(&Caller::default(), Some("长沙")), own("长沙"));
    // Who sees one means that one.
    assert_eq!(asked(&one, None), own("永州"));
    assert_eq!(asked(&two, Some("长沙")), own("长沙"));
    let words = asked(&two, None).unwrap_err();
    assert!(words.contains("永州, 长沙"), "{words}");
    assert!(asked(&one, Some("长沙")).is_err());
    assert!(two.check_city(None).is_ok() && two.check_city(Some("株洲")).is_err());
    assert_eq!(whole.cities(), None);
    assert_eq!(two.cities().map(<[String]>::len), Some(2));
}
