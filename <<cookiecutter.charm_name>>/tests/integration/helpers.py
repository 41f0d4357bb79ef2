<% include "integration/helpers-" ~ cookiecutter.integration_tests ~ ".py" %>
