"""Rendering offline, and variables from outside, from Python."""

from __future__ import annotations

import json

import pytest

import occopus

INFRASTRUCTURE = """
user_id: tester
infra_name: greeter
variables: {word: hello, size: 1}
nodes:
  - {name: one, type: one}
"""

DEFINITIONS = """
'node_def:one':
  - resource: {type: process}
    contextualisation:
      type: process
      env: ['IP={{getip(variables.peer)}}']
      command: [sh, -c, 'echo "{{variables.word}} {{variables.size + 1}}"; exec sleep 600']
    health_check: {ping: false}
"""


@pytest.fixture()
def files(project) -> dict[str, object]:
    return {
        "description": project.write("greeter.yaml", INFRASTRUCTURE.replace("size: 1", "size: 1, peer: one")),
        "nodes": [project.write("greeter_nodes.yaml", DEFINITIONS)],
    }


def test_nodes_are_rendered_offline(project, files) -> None:
    rendering = occopus.render(**files, variables={"word": "a: 'b'", "size": 2})
    assert rendering.levels == (("one",),)
    one = rendering.nodes["one"]
    assert one.attributes["env"] == ["IP=<address of one>"]
    assert one.attributes["command"][2].startswith("echo \"a: 'b' 3\"")
    assert one.variables == {"word": "a: 'b'", "size": 2, "peer": "one"}
    assert (one.context, one.context_is_cloud_config, one.scaling) == (None, False, None)
    assert not project.store.exists()


def test_given_instances_are_found_with_a_warning_where_there_is_a_choice(project, files) -> None:
    views = [{"node_id": str(number), "addresses": [f"10.0.0.{number}"]} for number in (1, 2)]
    given = project.write("instances.json", json.dumps({"one": views}))
    one = occopus.render(**files, instances=given, node="one", infra_id="i", node_id="n").nodes["one"]
    assert one.attributes["env"] == ["IP=10.0.0.1"]
    assert any("multiple nodes" in warning for warning in one.warnings)


def test_what_is_wrong_raises_the_typed_errors(project, files) -> None:
    with pytest.raises(occopus.UsageError, match="there is no node 'two'"):
        occopus.render(**files, node="two")
    with pytest.raises(occopus.TemplateError, match="No node exists with the given name 'nobody'"):
        occopus.render(**files, variables={"peer": "nobody"}, instances=project.write("none.json", "{}"))
    with pytest.raises(occopus.DescriptorError):
        occopus.render(**files, vars_files=[project.write("list.yaml", "- a\n")])
    with pytest.raises(TypeError):
        occopus.render(**files, variables={"word": object()})


def test_variables_change_what_is_built(project, files) -> None:
    engine = project.open()
    lower = project.write("vars.yaml", "word: lower\nsize: 5\n")
    files["nodes"] = [project.write("plain.yaml", DEFINITIONS.replace("{{getip(variables.peer)}}", ""))]
    assert len(engine.plan(**files, variables={"word": "x"}).actions) == 1
    built = engine.build(**files, vars_files=[lower], variables={"word": "upper"})
    (log,) = engine.logs(built.infra_id)
    assert "upper 6" in log.text
