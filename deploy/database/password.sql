-- Gives the fleet's role another password, from the environment as roles.sql takes it.
-- Sessions that are open stay open.
\getenv fleet CODEXAUTH_FLEET
\getenv password CODEXAUTH_FLEET_PASSWORD
ALTER ROLE :"fleet" PASSWORD :'password';
