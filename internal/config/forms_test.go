package config

import (
	"fmt"
	"strings"
	"testing"
)

// The forms of names are counted in each zone, along the way to its apex.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		zones string // besides the one with the ranges
		sub   int    // of the 65 forms, those whose domain is sub.example.net
		want  int    // errors
	}{
		{"{name: example.net}", 0, 1},
		{"{name: example.net}", 25, 1},
		{"{name: net}", 25, 1},
		{"{name: net, dynamic: {}}", 25, 1},
		{"{name: example.net}, {name: sub.example.net}", 25, 0},
		{"{name: other.example}", 25, 0},
		{"{name: other.example}", 65, 1},
	} {
		var text strings.Builder
		text.WriteString("defaults: {nameservers: [ns.example.com]}\nzones: [" + c.zones + ", {prefix: 10.0.0.0/8, synth: [\n")
		for i := range 65 {
			domain := "example.net"
			if i < c.sub {
				domain = "sub.example.net"
			}
			fmt.Fprintf(&text, "{range: 10.%d.0.0/16, name: \"a%dx{hex}.%s\"},\n", i, i, domain)
		}
		text.WriteString("]}]\n")
		_, err := Parse("ptrd.yaml", []byte(text.String()))
		got := 0
		if err != nil {
			got = strings.Count(err.Error(), "there are more than 64 forms of names below ")
		}
		if got != c.want || err != nil && got != strings.Count(err.Error(), "\n")+1 {
			t.Errorf("%s, %d in the domain below: %v", c.zones, c.sub, err)
		}
	}
}
