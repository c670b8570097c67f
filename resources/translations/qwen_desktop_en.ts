<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
    <context>
        <name>AttachedText</name>
        <message numerus="yes">
            <source>The first %n character(s) are shown; all can be copied.</source>
            <translation>
                <numerusform>The first %n character are shown; all can be copied.</numerusform>
                <numerusform>The first %n characters are shown; all can be copied.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>BackupsCard</name>
        <message numerus="yes">
            <source>%n attachment(s) (was|were) not there any more, or damaged on the disk.</source>
            <translation>
                <numerusform>%n attachment was not there any more, or damaged on the disk.</numerusform>
                <numerusform>%n attachments were not there any more, or damaged on the disk.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n chat(s) backed up as {name}, {size}.</source>
            <translation>
                <numerusform>%n chat backed up as {name}, {size}.</numerusform>
                <numerusform>%n chats backed up as {name}, {size}.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>CatalogueSection</name>
        <message numerus="yes">
            <source>%n model(s)</source>
            <translation>
                <numerusform>%n model</numerusform>
                <numerusform>%n models</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n model(s) (is|are) like that, but (does|do) not fit this computer.</source>
            <translation>
                <numerusform>%n model is like that, but does not fit this computer.</numerusform>
                <numerusform>%n models are like that, but do not fit this computer.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n new model(s).</source>
            <translation>
                <numerusform>%n new model.</numerusform>
                <numerusform>%n new models.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Show %n model(s)</source>
            <translation>
                <numerusform>Show %n model</numerusform>
                <numerusform>Show %n models</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{shown} of %n model(s)</source>
            <translation>
                <numerusform>{shown} of %n model</numerusform>
                <numerusform>{shown} of %n models</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Details</name>
        <message numerus="yes">
            <source>%n more size(s)</source>
            <translation>
                <numerusform>%n more size</numerusform>
                <numerusform>%n more sizes</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>DownloadsWatch</name>
        <message numerus="yes">
            <source>%n download(s), {percent}</source>
            <translation>
                <numerusform>%n download, {percent}</numerusform>
                <numerusform>%n downloads, {percent}</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>FolderRow</name>
        <message numerus="yes">
            <source>%n model(s), {size}, (moves|move) to {folder}. Nothing is lost if it is interrupted.</source>
            <translation>
                <numerusform>%n model, {size}, moves to {folder}. Nothing is lost if it is interrupted.</numerusform>
                <numerusform>%n models, {size}, move to {folder}. Nothing is lost if it is interrupted.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ImportDialog</name>
        <message numerus="yes">
            <source>Import %n model(s)</source>
            <translation>
                <numerusform>Import %n model</numerusform>
                <numerusform>Import %n models</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>LicencesDialog</name>
        <message numerus="yes">
            <source>%n part(s)</source>
            <translation>
                <numerusform>%n part</numerusform>
                <numerusform>%n parts</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{count} of %n part(s)</source>
            <translation>
                <numerusform>{count} of %n part</numerusform>
                <numerusform>{count} of %n parts</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>MachineDialog</name>
        <message numerus="yes">
            <source>%n core(s)</source>
            <translation>
                <numerusform>%n core</numerusform>
                <numerusform>%n cores</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n of them usable here</source>
            <translation>
                <numerusform>%n of them usable here</numerusform>
                <numerusform>%n of them usable here</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>MemoryTable</name>
        <message numerus="yes">
            <source>%n layer(s) on the graphics card</source>
            <translation>
                <numerusform>%n layer on the graphics card</numerusform>
                <numerusform>%n layers on the graphics card</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>at most %n token(s) of context fit</source>
            <translation>
                <numerusform>at most %n token of context fit</numerusform>
                <numerusform>at most %n tokens of context fit</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>the experts of %n layer(s) on the processor</source>
            <translation>
                <numerusform>the experts of %n layer on the processor</numerusform>
                <numerusform>the experts of %n layers on the processor</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ModelTexts</name>
        <message numerus="yes">
            <source>%n core(s)</source>
            <translation>
                <numerusform>%n core</numerusform>
                <numerusform>%n cores</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Waits for (another download|%n downloads)</source>
            <translation>
                <numerusform>Waits for another download</numerusform>
                <numerusform>Waits for %n downloads</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ModelsPage</name>
        <message numerus="yes">
            <source>%n model(s) (is|are) in the list.</source>
            <translation>
                <numerusform>%n model is in the list.</numerusform>
                <numerusform>%n models are in the list.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Palette</name>
        <message numerus="yes">
            <source>%n chat(s)</source>
            <translation>
                <numerusform>%n chat</numerusform>
                <numerusform>%n chats</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n message(s)</source>
            <translation>
                <numerusform>%n message</numerusform>
                <numerusform>%n messages</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PromptChip</name>
        <message numerus="yes">
            <source>%n attachment(s)</source>
            <translation>
                <numerusform>%n attachment</numerusform>
                <numerusform>%n attachments</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>Quit</name>
        <message numerus="yes">
            <source>(An answer is|%n answers are) still running</source>
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
        <name>SlowDialog</name>
        <message numerus="yes">
            <source>%n token(s), of which {cached} were kept</source>
            <translation>
                <numerusform>%n token, of which {cached} were kept</numerusform>
                <numerusform>%n tokens, of which {cached} were kept</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s)</source>
            <translation>
                <numerusform>{part} of %n layer</numerusform>
                <numerusform>{part} of %n layers</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n processor(s)</source>
            <translation>
                <numerusform>{part} of %n processor</numerusform>
                <numerusform>{part} of %n processors</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n token(s)</source>
            <translation>
                <numerusform>{part} of %n token</numerusform>
                <numerusform>{part} of %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>StatusLine</name>
        <message numerus="yes">
            <source>%n layer(s) on the graphics card</source>
            <translation>
                <numerusform>%n layer on the graphics card</numerusform>
                <numerusform>%n layers on the graphics card</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Waiting for (another answer|%n other answers) to end</source>
            <translation>
                <numerusform>Waiting for another answer to end</numerusform>
                <numerusform>Waiting for %n other answers to end</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>the experts of %n layer(s) on the processor</source>
            <translation>
                <numerusform>the experts of %n layer on the processor</numerusform>
                <numerusform>the experts of %n layers on the processor</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{used} of %n token(s)</source>
            <translation>
                <numerusform>{used} of %n token</numerusform>
                <numerusform>{used} of %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>TuningCard</name>
        <message numerus="yes">
            <source>%n thread(s)</source>
            <translation>
                <numerusform>%n thread</numerusform>
                <numerusform>%n threads</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>After %n token(s), answers are {times} times as fast as with llama.cpp's own defaults.</source>
            <translation>
                <numerusform>After %n token, answers are {times} times as fast as with llama.cpp's own defaults.</numerusform>
                <numerusform>After %n tokens, answers are {times} times as fast as with llama.cpp's own defaults.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Flash attention for the first %n token(s)</source>
            <translation>
                <numerusform>Flash attention for the first %n token</numerusform>
                <numerusform>Flash attention for the first %n tokens</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>advice</name>
        <message numerus="yes">
            <source>Better answers, but it thinks for a while first, at about %n token(s) per second.</source>
            <translation>
                <numerusform>Better answers, but it thinks for a while first, at about %n token per second.</numerusform>
                <numerusform>Better answers, but it thinks for a while first, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Better answers, but slower: about %n token(s) per second.</source>
            <translation>
                <numerusform>Better answers, but slower: about %n token per second.</numerusform>
                <numerusform>Better answers, but slower: about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best answers that still come faster than you read: about %n token(s) per second.</source>
            <translation>
                <numerusform>The best answers that still come faster than you read: about %n token per second.</numerusform>
                <numerusform>The best answers that still come faster than you read: about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at code that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at code that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at code that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at mathematics that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at mathematics that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at mathematics that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at pictures that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at pictures that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best at pictures that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best at thinking things through here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best at thinking things through here, at about %n token per second.</numerusform>
                <numerusform>The best at thinking things through here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The best in many languages that runs well here, at about %n token(s) per second.</source>
            <translation>
                <numerusform>The best in many languages that runs well here, at about %n token per second.</numerusform>
                <numerusform>The best in many languages that runs well here, at about %n tokens per second.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>bench</name>
        <message numerus="yes">
            <source>A depth of %n token(s) does not fit into the context, which holds {context}.</source>
            <translation>
                <numerusform>A depth of %n token does not fit into the context, which holds {context}.</numerusform>
                <numerusform>A depth of %n tokens does not fit into the context, which holds {context}.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>chat</name>
        <message numerus="yes">
            <source>The message is longer than %n character(s).</source>
            <translation>
                <numerusform>The message is longer than %n character.</numerusform>
                <numerusform>The message is longer than %n characters.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>chips</name>
        <message numerus="yes">
            <source>%n character(s)</source>
            <translation>
                <numerusform>%n character</numerusform>
                <numerusform>%n characters</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>engine</name>
        <message numerus="yes">
            <source>%n of {all} layers (is|are) on the graphics card: its memory holds no more. The processor does the rest.</source>
            <translation>
                <numerusform>%n of {all} layers is on the graphics card: its memory holds no more. The processor does the rest.</numerusform>
                <numerusform>%n of {all} layers are on the graphics card: its memory holds no more. The processor does the rest.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n of {all} layers (is|are) on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</source>
            <translation>
                <numerusform>%n of {all} layers is on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</numerusform>
                <numerusform>%n of {all} layers are on the graphics card: of its memory {free} are free, and all layers need {needs}. The processor does the rest.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The answer cannot go on: it has %n token(s) with its question; the context holds {context}.</source>
            <translation>
                <numerusform>The answer cannot go on: it has %n token with its question; the context holds {context}.</numerusform>
                <numerusform>The answer cannot go on: it has %n tokens with its question; the context holds {context}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is %n token(s) instead of {asked}: there is not enough free memory for more.</source>
            <translation>
                <numerusform>The context is %n token instead of {asked}: there is not enough free memory for more.</numerusform>
                <numerusform>The context is %n tokens instead of {asked}: there is not enough free memory for more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is %n token(s) instead of {asked}: this model was not trained for more.</source>
            <translation>
                <numerusform>The context is %n token instead of {asked}: this model was not trained for more.</numerusform>
                <numerusform>The context is %n tokens instead of {asked}: this model was not trained for more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context of %n token(s) is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</source>
            <translation>
                <numerusform>The context of %n token is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</numerusform>
                <numerusform>The context of %n tokens is stretched with YaRN ×{factor}, since this model was trained with {train}: short texts may get slightly worse.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The experts of %n layer(s) stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</source>
            <translation>
                <numerusform>The experts of %n layer stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</numerusform>
                <numerusform>The experts of %n layers stay on the processor: of the graphics card's memory {free} are free, and the whole model needs {needs}.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Your message has %n token(s); the context holds {context}.</source>
            <translation>
                <numerusform>Your message has %n token; the context holds {context}.</numerusform>
                <numerusform>Your message has %n tokens; the context holds {context}.</numerusform>
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
        <name>gguf</name>
        <message numerus="yes">
            <source>{file} ends after {size} of %n byte(s): the download is not complete.</source>
            <translation>
                <numerusform>{file} ends after {size} of %n byte: the download is not complete.</numerusform>
                <numerusform>{file} ends after {size} of %n bytes: the download is not complete.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{file} is one of %n part(s), but its name no longer says which.</source>
            <translation>
                <numerusform>{file} is one of %n part, but its name no longer says which.</numerusform>
                <numerusform>{file} is one of %n parts, but its name no longer says which.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>library</name>
        <message numerus="yes">
            <source>{name} is the name of %n model(s) here.</source>
            <translation>
                <numerusform>{name} is the name of %n model here.</numerusform>
                <numerusform>{name} is the name of %n models here.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>process</name>
        <message numerus="yes">
            <source>There was no answer within %n second(s).</source>
            <translation>
                <numerusform>There was no answer within %n second.</numerusform>
                <numerusform>There was no answer within %n seconds.</numerusform>
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
        <message numerus="yes">
            <source>{key} is too long; it may have %n character(s).</source>
            <translation>
                <numerusform>{key} is too long; it may have %n character.</numerusform>
                <numerusform>{key} is too long; it may have %n characters.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>slow</name>
        <message numerus="yes">
            <source>%n thread(s) (was|were) set by hand; {usual} are usual on this computer.</source>
            <translation>
                <numerusform>%n thread was set by hand; {usual} are usual on this computer.</numerusform>
                <numerusform>%n threads were set by hand; {usual} are usual on this computer.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>A container or a service lets this program use {part} of %n core(s).</source>
            <translation>
                <numerusform>A container or a service lets this program use {part} of %n core.</numerusform>
                <numerusform>A container or a service lets this program use {part} of %n cores.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>A context of %n token(s) leaves more room.</source>
            <translation>
                <numerusform>A context of %n token leaves more room.</numerusform>
                <numerusform>A context of %n tokens leaves more room.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Most of the time went into reading: %n token(s) in {seconds} s.</source>
            <translation>
                <numerusform>Most of the time went into reading: %n token in {seconds} s.</numerusform>
                <numerusform>Most of the time went into reading: %n tokens in {seconds} s.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Other programs keep {part} of %n processor(s) busy.</source>
            <translation>
                <numerusform>Other programs keep {part} of %n processor busy.</numerusform>
                <numerusform>Other programs keep {part} of %n processors busy.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>Other virtual machines on the same host take {part} of %n processor(s) away.</source>
            <translation>
                <numerusform>Other virtual machines on the same host take {part} of %n processor away.</numerusform>
                <numerusform>Other virtual machines on the same host take {part} of %n processors away.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The chat is long: each word looks back at %n token(s).</source>
            <translation>
                <numerusform>The chat is long: each word looks back at %n token.</numerusform>
                <numerusform>The chat is long: each word looks back at %n tokens.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The context is nearly full, {part} of %n token(s): the chat is cut and read again from there.</source>
            <translation>
                <numerusform>The context is nearly full, {part} of %n token: the chat is cut and read again from there.</numerusform>
                <numerusform>The context is nearly full, {part} of %n tokens: the chat is cut and read again from there.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The disk of the model is slow: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The disk of the model is slow: {size} took %n second to load.</numerusform>
                <numerusform>The disk of the model is slow: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The graphics cards compute {part} of %n layer(s), the processor the others.</source>
            <translation>
                <numerusform>The graphics cards compute {part} of %n layer, the processor the others.</numerusform>
                <numerusform>The graphics cards compute {part} of %n layers, the processor the others.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model lies on a hard disk: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The model lies on a hard disk: {size} took %n second to load.</numerusform>
                <numerusform>The model lies on a hard disk: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model lies on a network drive: {size} took %n second(s) to load.</source>
            <translation>
                <numerusform>The model lies on a network drive: {size} took %n second to load.</numerusform>
                <numerusform>The model lies on a network drive: {size} took %n seconds to load.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model thought for {seconds} s, %n token(s), before it answered.</source>
            <translation>
                <numerusform>The model thought for {seconds} s, %n token, before it answered.</numerusform>
                <numerusform>The model thought for {seconds} s, %n tokens, before it answered.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The whole chat was read again, %n token(s) in {seconds} s, since it was not in memory any more.</source>
            <translation>
                <numerusform>The whole chat was read again, %n token in {seconds} s, since it was not in memory any more.</numerusform>
                <numerusform>The whole chat was read again, %n tokens in {seconds} s, since it was not in memory any more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{card} computes {part} of %n layer(s), the processor the others.</source>
            <translation>
                <numerusform>{card} computes {part} of %n layer, the processor the others.</numerusform>
                <numerusform>{card} computes {part} of %n layers, the processor the others.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}, since that was set by hand.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}, since that was set by hand.</numerusform>
                <numerusform>{part} of %n layers are on {card}, since that was set by hand.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}: not all of its {size} fit there.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}: not all of its {size} fit there.</numerusform>
                <numerusform>{part} of %n layers are on {card}: not all of its {size} fit there.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>{part} of %n layer(s) (is|are) on {card}: the model has {size}, and {free} are free there.</source>
            <translation>
                <numerusform>{part} of %n layer is on {card}: the model has {size}, and {free} are free there.</numerusform>
                <numerusform>{part} of %n layers are on {card}: the model has {size}, and {free} are free there.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>transcript</name>
        <message numerus="yes">
            <source>%n line(s)</source>
            <translation>
                <numerusform>%n line</numerusform>
                <numerusform>%n lines</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n row(s)</source>
            <translation>
                <numerusform>%n row</numerusform>
                <numerusform>%n rows</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>The model repeated itself and was stopped after %n token(s).</source>
            <translation>
                <numerusform>The model repeated itself and was stopped after %n token.</numerusform>
                <numerusform>The model repeated itself and was stopped after %n tokens.</numerusform>
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
