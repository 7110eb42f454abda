// Package docs embeds what the binary prints of its documentation. The schema
// is generated from the types of package output and the catalogue of values;
// a test keeps it current.
package docs

import _ "embed"

// Schema is the JSON Schema of kwhy/v1.
//
//go:embed schema/kwhy-v1.schema.json
var Schema string
