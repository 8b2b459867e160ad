package main

import (
	"encoding/json"
	"os"
	"time"
)

// The parts of CycloneDX 1.6 that are said here.
type (
	bom struct {
		Schema       string       `json:"$schema"`
		Format       string       `json:"bomFormat"`
		Spec         string       `json:"specVersion"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Component component `json:"component"`
	}
	component struct {
		Type     string          `json:"type"`
		Ref      string          `json:"bom-ref"`
		Name     string          `json:"name"`
		Version  string          `json:"version"`
		Hashes   []hash          `json:"hashes,omitempty"`
		Licences []licenceChoice `json:"licenses"`
		Purl     string          `json:"purl"`
	}
	hash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	licenceChoice struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

// materials writes what is linked into each program, as CycloneDX.
func (r *release) materials() error {
	for _, t := range r.targets {
		mods, err := r.linked(t)
		if err != nil {
			return err
		}
		digest, err := sum(r.program(t))
		if err != nil {
			return err
		}
		main := newComponent("application", r.config["name"], r.version, r.config["licence"], "pkg:generic/codexauth@"+r.version)
		main.Hashes = []hash{{"SHA-256", digest}}
		b := bom{
			Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
			Metadata: metadata{r.when.Format(time.RFC3339), main},
		}
		all := dependency{Ref: main.Ref}
		for _, m := range mods {
			c := newComponent("library", m.path, m.version, m.licence, "pkg:golang/"+m.path+"@"+m.version)
			b.Components = append(b.Components, c)
			all.DependsOn = append(all.DependsOn, c.Ref)
		}
		b.Dependencies = []dependency{all}
		text, err := json.MarshalIndent(b, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.file(t.os+"_"+t.arch+".cdx.json"), append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func newComponent(kind, name, version, licence, purl string) component {
	c := component{Type: kind, Ref: purl, Name: name, Version: version, Purl: purl, Licences: make([]licenceChoice, 1)}
	c.Licences[0].License.ID = licence
	return c
}
