module github.com/ptrd/ptrd

go 1.26
