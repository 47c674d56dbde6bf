package main

import (
	"go/ast"
	"go/parser"
	"go/token"
)

// empty returns a file in which the given functions, which have no results, do
// nothing, and which of them it has. Their bodies stay as code that the compiler sees and
// leaves out: without it, imports would be unused.
func empty(name string, src []byte, functions map[string]bool) (changed []byte, found []string, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	last := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || !functions[methodName(f)] {
			continue
		}
		found = append(found, methodName(f))
		begin, end := set.Position(f.Body.Lbrace).Offset, set.Position(f.Body.Rbrace).Offset+1
		changed = append(changed, src[last:begin]...)
		changed = append(changed, "{ if false "...)
		changed = append(changed, src[begin:end]...)
		changed = append(changed, " }"...)
		last = end
	}
	return append(changed, src[last:]...), found, nil
}

// methodName returns `Type.Name`, or the name of a function.
func methodName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}
