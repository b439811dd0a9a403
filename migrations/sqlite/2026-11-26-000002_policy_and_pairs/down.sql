drop table pair_report;
alter table service drop column policy;
