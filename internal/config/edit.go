package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Addition is an entry to add to a mapping of a configuration.
type Addition struct {
	Key    string                // as it is written if it is new
	Is     func(key string) bool // reports whether an existing key is the same one
	Values []string              // are added to those of the key
	Below  []*Addition           // are added to its mapping, in place of Values
}

// Edit returns the text of a configuration with entries added to items, which are given by their
// key paths, such as `zones[3]`. Nothing else changes: comments and layout stay. An error means
// that the file is written in a way that cannot be edited here.
func Edit(text []byte, items map[string][]*Addition) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	if len(root.Content) == 0 {
		return nil, errors.New("the file is empty")
	}
	whole := string(text)
	if !strings.HasSuffix(whole, "\n") {
		whole += "\n"
	}
	e := editor{lines: strings.SplitAfter(whole, "\n")}
	for path, additions := range items {
		item, err := nodeAt(root.Content[0], path)
		if err != nil {
			return nil, err
		}
		if err := e.addAll(item, additions); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	out := e.text()
	return out, yaml.Unmarshal(out, &root)
}

// nodeAt returns the node at a key path, `key[number]`.
func nodeAt(n *yaml.Node, path string) (*yaml.Node, error) {
	key, number, ok := strings.Cut(strings.TrimSuffix(path, "]"), "[")
	i, err := strconv.Atoi(number)
	for j := 0; ok && err == nil && j+1 < len(n.Content); j += 2 {
		if list := n.Content[j+1]; n.Content[j].Value == key && i < len(list.Content) {
			return list.Content[i], nil
		}
	}
	return nil, fmt.Errorf("%s is not there", path)
}

// editor collects insertions into lines.
type editor struct {
	lines      []string // each with its line end
	insertions []insertion
}

// insertion is text to insert before a character; both count from 1.
type insertion struct {
	line, character int
	text            string
}

func (e *editor) insert(line, character int, text string) {
	e.insertions = append(e.insertions, insertion{line, character, text})
}

// addAll adds entries to a mapping.
func (e *editor) addAll(n *yaml.Node, additions []*Addition) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d has no mapping", n.Line)
	}
	for _, a := range additions {
		i := 0
		for i < len(n.Content) && n.Content[i].Value != a.Key && (a.Is == nil || !a.Is(n.Content[i].Value)) {
			i += 2
		}
		if i == len(n.Content) {
			e.addEntry(n, a)
			continue
		}
		var err error
		if child := n.Content[i+1]; a.Below != nil {
			err = e.addAll(child, a.Below)
		} else {
			err = e.addValues(child, a.Values)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addEntry adds an entry with a new key to a mapping.
func (e *editor) addEntry(n *yaml.Node, a *Addition) {
	if n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 {
		end := ", "
		if len(n.Content) == 0 {
			end = ""
		}
		e.insert(n.Line, n.Column+1, a.flow()+end)
		return
	}
	indent := n.Content[0].Column - 1
	e.insert(lastLine(n)+1, 1, strings.Join(a.block(indent), ""))
}

// addValues adds values to one, to a list, or to the `names` or `data` of a mapping.
func (e *editor) addValues(n *yaml.Node, values []string) error {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i].Value; key == "names" || key == "data" {
				return e.addValues(n.Content[i+1], values)
			}
		}
	case yaml.SequenceNode:
		if n.Style&yaml.FlowStyle != 0 {
			e.insert(n.Line, n.Column+1, strings.Join(values, ", ")+", ")
			return nil
		}
		first := n.Content[0]
		for _, v := range values {
			e.insert(lastLine(n)+1, 1, e.lines[first.Line-1][:first.Column-1]+v+"\n")
		}
		return nil
	case yaml.ScalarNode:
		line := e.lines[n.Line-1]
		line = line[octetOf(line, n.Column)-1:]
		for _, quote := range []string{"", "'", `"`} {
			if text := quote + n.Value + quote; n.Value != "" && strings.HasPrefix(line, text) {
				e.insert(n.Line, n.Column, "[")
				e.insert(n.Line, n.Column+utf8.RuneCountInString(text), ", "+strings.Join(values, ", ")+"]")
				return nil
			}
		}
	}
	return fmt.Errorf("line %d cannot be edited", n.Line)
}

// flow returns an addition in flow style.
func (a *Addition) flow() string {
	if a.Below == nil {
		if len(a.Values) == 1 {
			return a.Key + ": " + a.Values[0]
		}
		return a.Key + ": [" + strings.Join(a.Values, ", ") + "]"
	}
	var entries []string
	for _, b := range a.Below {
		entries = append(entries, b.flow())
	}
	return a.Key + ": {" + strings.Join(entries, ", ") + "}"
}

// block returns the lines of an addition in block style.
func (a *Addition) block(indent int) []string {
	space := strings.Repeat(" ", indent)
	if a.Below == nil {
		return []string{space + a.flow() + "\n"}
	}
	lines := []string{space + a.Key + ":\n"}
	for _, b := range a.Below {
		lines = append(lines, b.block(indent+2)...)
	}
	return lines
}

// lastLine returns the last line of a node. Scalars of several lines are short by some.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// text returns the lines with the insertions.
func (e *editor) text() []byte {
	slices.SortStableFunc(e.insertions, func(a, b insertion) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return a.character - b.character
	})
	var out []byte
	next := 0
	for i, line := range e.lines {
		at := 0
		for ; next < len(e.insertions) && e.insertions[next].line == i+1; next++ {
			to := octetOf(line, e.insertions[next].character) - 1
			out = append(append(out, line[at:to]...), e.insertions[next].text...)
			at = to
		}
		out = append(out, line[at:]...)
	}
	for ; next < len(e.insertions); next++ {
		out = append(out, e.insertions[next].text...)
	}
	return out
}
