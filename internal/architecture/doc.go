// Package architecture has no code. Its tests enforce rules that concern the whole
// module:
//
//   - which package may import which (imports_test.go);
//   - which calls of the query path the compiler must inline (inline_test.go);
//   - what is at the top of the repository (layout_test.go);
//   - which words are not used in code, messages and documentation (words_test.go).
//
// A new package needs an entry in levels if no existing one covers it. A new library
// needs an entry in onlyIn if only some packages should depend on it.
package architecture
