//go:build ignore

// Generates ent/ from ent/schema.
package main

import (
	"log"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

func main() {
	err := entc.Generate("./schema", &gen.Config{
		Target:   ".",
		Package:  "github.com/zeroten/zeroten/ent",
		Features: []gen.Feature{gen.FeaturePrivacy, gen.FeatureEntQL, gen.FeatureModifier},
	}, entc.TemplateDir("./template"))
	if err != nil {
		log.Fatal("generating ent: ", err)
	}
}
