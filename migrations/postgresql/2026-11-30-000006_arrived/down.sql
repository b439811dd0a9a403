drop table arrived;
