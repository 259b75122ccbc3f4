module github.com/bunbase/bunkms/clients/go

go 1.26
