//! The OpenAPI document, made of the table of routes and the types that they take and give.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::{
    problem::Problem,
    routes::{Gives, JOB, Kind, ROUTES, Route},
};

/// Puts the schema of a type, and of all that it is made of, beside others; gives its name.
pub(super) type Described = fn(&mut Schemas) -> String;

/// Schemas by name.
pub(super) type Schemas = Vec<(String, RefOr<Schema>)>;

/// How a type is described.
pub(super) fn described<T: ToSchema>(schemas: &mut Schemas) -> String {
    let name = T::name().into_owned();
    schemas.push((name.clone(), T::schema()));
    T::schemas(schemas);
    name
}

/// The document as JSON.
pub(super) static DOCUMENT: LazyLock<Vec<u8>> =
    LazyLock::new(|| serde_json::to_vec_pretty(&document()).expect("a document is made of texts"));

fn document() -> Value {
    let mut schemas = Schemas::new();
    let problem = described::<Problem>(&mut schemas);
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route, &problem, &mut schemas);
    }
    let schemas = schemas
        .into_iter()
        .map(|(name, schema)| (name, serde_json::to_value(schema).expect("a schema is made of texts")));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Millstream",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Watches and steers a Millstream cluster. Every error is answered as application/problem+json.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.collect::<Map<_, _>>(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        // None, or the token: whether one is wanted is a matter of how the cluster was started.
        "security": [{}, { "token": [] }],
    })
}

fn operation(route: &Route, problem: &str, schemas: &mut Schemas) -> Value {
    let content = match route.gives {
        Gives::Json(described) => json!({ "application/json": { "schema": reference(&described(schemas)) } }),
        Gives::Document => json!({ "application/json": { "schema": { "type": "object" } } }),
        Gives::Text(media_type) => json!({ media_type: { "schema": { "type": "string" } } }),
    };
    let mut operation = json!({
        "operationId": route.operation,
        "summary": route.summary,
        "responses": {
            route.status.as_str(): {
                "description": route.status.canonical_reason(),
                "content": content,
            },
            "default": {
                "description": "What is wrong",
                "content": { Problem::MEDIA_TYPE: { "schema": reference(problem) } },
            },
        },
    });
    if route.path.contains(JOB) {
        operation["parameters"] = json!([{
            "name": JOB.trim_matches(['{', '}']),
            "in": "path",
            "required": true,
            "description": "Its id, at least four digits of its beginning, or the name of the only job of that name that has not ended",
            "schema": { "type": "string" },
        }]);
    }
    if let Some(takes) = route.takes {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(&takes(schemas)) } },
        });
    }
    if route.kind == Kind::Open {
        operation["security"] = json!([]);
    }
    operation
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
