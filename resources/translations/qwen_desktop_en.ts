<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
    <context>
        <name>Quit</name>
        <message numerus="yes">
            <source>(An answer is|%n answers are) still running</source>
            <extracomment>How long an end waits for what was just asked for (a rename, a setting), in seconds. the question that is open while answers run</extracomment>
            <translation>
                <numerusform>An answer is still running</numerusform>
                <numerusform>%n answers are still running</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>SettingsSection</name>
        <message numerus="yes">
            <source>%n setting(s) (differs|differ) from (its default|their defaults).</source>
            <translation>
                <numerusform>%n setting differs from its default.</numerusform>
                <numerusform>%n settings differ from their defaults.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>StatusLine</name>
        <message numerus="yes">
            <source>Waiting for (another answer|%n other answers) to end</source>
            <translation>
                <numerusform>Waiting for another answer to end</numerusform>
                <numerusform>Waiting for %n other answers to end</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>fit</name>
        <message numerus="yes">
            <source>It fits with %n token(s) of context: it uses {needs} of memory; {free} are free now.</source>
            <translation>
                <numerusform>It fits with %n token of context: it uses {needs} of memory; {free} are free now.</numerusform>
                <numerusform>It fits with %n tokens of context: it uses {needs} of memory; {free} are free now.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>settings</name>
        <message numerus="yes">
            <source>%n minute(s)</source>
            <translation>
                <numerusform>%n minute</numerusform>
                <numerusform>%n minutes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>units</name>
        <message numerus="yes">
            <source>%n byte(s)</source>
            <translation>
                <numerusform>%n byte</numerusform>
                <numerusform>%n bytes</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n day(s) ago</source>
            <translation>
                <numerusform>%n day ago</numerusform>
                <numerusform>%n days ago</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n month(s) ago</source>
            <translation>
                <numerusform>%n month ago</numerusform>
                <numerusform>%n months ago</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n token(s)</source>
            <translation>
                <numerusform>%n token</numerusform>
                <numerusform>%n tokens</numerusform>
            </translation>
        </message>
    </context>
</TS>
